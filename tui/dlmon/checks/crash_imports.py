"""Imports that failed: what to install, or why a name is not there."""

from __future__ import annotations

import re

from dlmon.checks.crash_story import Story
from dlmon.checks.frames import user_frames
from dlmon_probes import events

# Modules whose package on PyPI is called otherwise.
PACKAGES = {
    "cv2": "opencv-python", "sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit-image",
    "bs4": "beautifulsoup4", "Bio": "biopython", "dateutil": "python-dateutil", "dotenv": "python-dotenv",
    "git": "gitpython", "google.protobuf": "protobuf", "hydra": "hydra-core", "lightning_fabric": "lightning",
    "pytorch_lightning": "pytorch-lightning", "lightning": "lightning", "tensorboardX": "tensorboardX",
    "faiss": "faiss-cpu", "apex": "", "detectron2": "", "gym": "gymnasium", "mpl_toolkits": "matplotlib",
    "torch_geometric": "torch-geometric", "torch_scatter": "torch-scatter", "timm": "timm", "umap": "umap-learn",
    "attr": "attrs", "Crypto": "pycryptodome", "OpenSSL": "pyopenssl", "serial": "pyserial", "usb": "pyusb",
    "fitz": "pymupdf", "docx": "python-docx", "pkg_resources": "setuptools", "absl": "absl-py", "clip": "",
    "open_clip": "open-clip-torch", "segmentation_models_pytorch": "segmentation-models-pytorch",
    "efficientnet_pytorch": "efficientnet-pytorch", "ruamel": "ruamel.yaml", "sentence_transformers":
    "sentence-transformers", "huggingface_hub": "huggingface-hub", "pytorch_metric_learning":
    "pytorch-metric-learning", "flash_attn": "flash-attn", "cairosvg": "cairosvg", "Levenshtein": "levenshtein",
    "jwt": "pyjwt", "ipywidgets": "ipywidgets", "IPython": "ipython", "tensorboard": "tensorboard",
}  # fmt: skip
_MISSING = re.compile(r"No module named '?([\w.]+)'?")
_NAME = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'")
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")


def import_story(crash: events.Crash) -> Story:
    """What to install, or why a name is not there."""
    message = crash.message
    if match := _MISSING.search(message):
        return _missing(match[1], crash)
    if match := _NAME.search(message):
        name, module = match.groups()
        if "partially initialized" in message or "circular import" in message:
            return Story(
                f"{module} is imported while it is still being imported (it wants {name})",
                "Two files import each other, or one of yours is named like the package: rename it, or import inside "
                "the function.",
            )
        return Story(
            f"{module} has no {name}",
            f"The installed version of {package_of(module)} is another one than the script was written for: "
            f"pip show {package_of(module)}, and look at its change log.",
        )
    if match := _LIBRARY.search(message):
        return Story(f"the library {match[1]} is missing", _library(match[1]))
    return Story(_first(message) or "an import failed", "The traceback's last lines name the package that failed.")


def _library(name: str) -> str:
    if name.startswith("libGL"):
        return "pip install opencv-python-headless instead of opencv-python, or install the system's libgl1."
    if name.startswith(("libcu", "libnv", "libnccl")):
        return "This build of torch wants another CUDA: install torch again for the version that is here."
    return "Install the system package that has it; the package that was imported needs it."


def _missing(module: str, crash: events.Crash) -> Story:
    top = module.partition(".")[0]
    frame = next(user_frames(crash), None)
    text = frame.where.text if frame else ""
    if module != top and f"No module named '{top}'" not in crash.message and top not in PACKAGES:
        return Story(
            f"there is no {module}",
            f"{top} itself is there: another version of it has this part, or a file of yours is called {top}.py.",
        )
    if text.startswith("from ."):
        return Story(f"there is no {module}", "A relative import: run it as a module (python -m package.train).")
    package = package_of(top)
    if not package:
        return Story(f"the package for `import {top}` is not installed", f"{top} is installed from its repository.")
    known = "" if top in PACKAGES else "Look up first whether its package has the same name; then "
    return Story(
        f"the package for `import {module}` is not installed in this Python",
        f"{known}pip install {package} (with the pip of this environment: python -m pip). If {top} is a file of your "
        "own, run from the folder that has it.",
    )


def package_of(module: str) -> str:
    """The name to give pip; "" where the package is not on PyPI under a name of its own."""
    top = module.partition(".")[0]
    return PACKAGES.get(module, PACKAGES.get(top, top.replace("_", "-") if "_" in top else top))


def _first(message: str) -> str:
    return next((line.strip()[:160] for line in message.splitlines() if line.strip()), "")
