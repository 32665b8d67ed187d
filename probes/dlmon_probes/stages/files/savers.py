"""Libraries that open files from C, where patching Python's `open` does not reach: they are given the overlay's path.

torch's archive writer and reader, TorchScript, mapped storages, safetensors, sqlite3, torchvision's images, HDF5 and
OpenCV. What stands on them follows: Lightning's and transformers' checkpoints, torch.export, torch.package, optuna.
(TensorBoard, NumPy, matplotlib, pandas and PIL use Python's `open`.)
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, Callable

from dlmon_probes.inject import failures, finder
from dlmon_probes.stages.files import overlay
from dlmon_probes.stages.files.journal import is_database_file

Function = Callable[..., Any]
Place = Callable[[Any], Any]


def watch() -> None:
    """Arm the hooks for libraries that the program may import. At process start."""
    finder.watch("torch.serialization", after=functools.partial(_attempt, _torch_archives))
    finder.watch("torch.jit._serialization", after=functools.partial(_attempt, _torch_script))
    finder.watch("torch.jit._script", after=functools.partial(_attempt, _script_modules))
    finder.watch("safetensors", after=functools.partial(_attempt, _safetensors))
    finder.watch("sqlite3.dbapi2", after=functools.partial(_attempt, _sqlite))
    finder.watch("torchvision.io.image", after=functools.partial(_attempt, _torchvision))
    finder.watch("h5py._hl.files", after=functools.partial(_attempt, _hdf5))
    finder.watch("cv2", after=functools.partial(_attempt, _opencv))
    # TensorBoard writes through TensorFlow's C++ where that is installed, unless this module exists.
    sys.modules.setdefault("tensorboard.compat.notf", type(sys)("tensorboard.compat.notf"))


def install(_run: str) -> None:
    """What can be patched only once torch is whole. Right after torch's import."""
    _attempt(_mapped_tensors)


def _mapped_tensors() -> None:
    import torch

    torch.from_file = _mapped(torch.from_file)


def _attempt(patch: Callable[[], None]) -> None:
    try:
        patch()
    except Exception as error:
        failures.note(f"savers: {patch.__name__.strip('_')}", error)


def _writing(how: str) -> Place:
    """Where to write. A folder that is missing is missing there too, and the library says so in its own words."""

    def place(name: Any) -> Any:
        files = overlay.active()
        if files is None or not isinstance(name, (str, bytes, os.PathLike)):
            return name
        try:
            return files.writing(name, how)
        except FileNotFoundError:
            spot = files.tree.spot(name)
            return name if spot is None else files.tree.root + spot[0]

    return place


def _updating(how: str) -> Place:
    def place(name: Any) -> Any:
        files = overlay.active()
        path = isinstance(name, (str, bytes, os.PathLike))
        return files.updating(name, how) if files is not None and path else name

    return place


def _reading(name: Any) -> Any:
    files = overlay.active()
    path = isinstance(name, (str, bytes, os.PathLike))
    return files.reading(name) if files is not None and path else name


def _translated(original: Function, place: Place, at: int = 0, keyword: str = "filename") -> Function:
    """`original` with its path, argument `at` or named `keyword`, replaced; errors name the script's path."""

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > at:
            args = (*args[:at], place(args[at]), *args[at + 1 :])
        elif keyword in kwargs:
            kwargs[keyword] = place(kwargs[keyword])
        try:
            return original(*args, **kwargs)
        except Exception as error:
            _name_theirs(error)
            raise

    return call


def _name_theirs(error: Exception) -> None:
    """Take the overlay's folder out of a message."""
    files = overlay.active()
    if files is not None:
        root = files.tree.root
        error.args = tuple(word.replace(root, "") if isinstance(word, str) else word for word in error.args)


def _torch_archives() -> None:
    """`torch.save` opens by name in C++ (by io.FileIO where the name is not ASCII); `torch.load` only with mmap."""
    import torch
    from torch import serialization

    by_name = serialization._open_zipfile_writer_file
    by_name.__init__ = _translated(by_name.__init__, _writing("torch.save"), at=1, keyword="name")

    class PyTorchFileWriter(torch._C.PyTorchFileWriter):  # type: ignore[misc]
        def __init__(self, name: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(_writing("torch")(name), *args, **kwargs)

    class PyTorchFileReader(torch._C.PyTorchFileReader):  # type: ignore[misc]
        def __init__(self, name: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(_reading(name), *args, **kwargs)

    torch._C.PyTorchFileWriter, torch._C.PyTorchFileReader = PyTorchFileWriter, PyTorchFileReader
    storage = torch.storage.UntypedStorage
    storage.from_file = staticmethod(_mapped(storage.from_file))


def _mapped(original: Function) -> Function:
    """A storage that is shared with its file is written through it."""

    @functools.wraps(original)
    def from_file(filename: Any, shared: bool = False, *args: Any, **kwargs: Any) -> Any:
        place = _updating("torch storage")(filename) if shared else _reading(filename)
        return original(place, shared, *args, **kwargs)

    return from_file


def _torch_script() -> None:
    module: Any = sys.modules["torch.jit._serialization"]
    module.save = _translated(module.save, _writing("torch.jit"), 1, "f")
    module.load = _translated(module.load, _reading, 0, "f")


def _script_modules() -> None:
    """Scripted and traced modules and functions have a method of their own that hands the path to C++."""
    import torch

    script: Any = sys.modules["torch.jit._script"]
    for cls in (script.RecursiveScriptModule, script.ScriptModule, torch._C.ScriptFunction):
        if "save" in vars(cls):  # not where TorchScript is switched off
            cls.save = _translated(cls.save, _writing("torch.jit"), 1, "f")


def _safetensors() -> None:
    """`safetensors.torch`, `.numpy`… import these names from the package, after this."""
    safetensors: Any = sys.modules["safetensors"]
    safetensors.serialize_file = _translated(safetensors.serialize_file, _writing("safetensors"), 1)
    safetensors.safe_open = _translated(safetensors.safe_open, _reading)


def _sqlite() -> None:
    from sqlite3 import dbapi2

    def place(database: Any) -> Any:
        return _updating("sqlite3")(database) if is_database_file(database) else database

    dbapi2.connect = _translated(dbapi2.connect, place, 0, "database")


def _torchvision() -> None:
    image: Any = sys.modules["torchvision.io.image"]
    image.write_file = _translated(image.write_file, _writing("torchvision"))
    image.read_file = _translated(image.read_file, _reading, 0, "path")


def _hdf5() -> None:
    files: Any = sys.modules["h5py._hl.files"]
    original = files.File.__init__

    @functools.wraps(original)
    def __init__(self: Any, name: Any, mode: str = "r", *args: Any, **kwargs: Any) -> None:
        place = {"r": _reading, "w": _writing("h5py"), "w-": _writing("h5py"), "x": _writing("h5py")}
        original(self, place.get(mode, _updating("h5py"))(name), mode, *args, **kwargs)

    files.File.__init__ = __init__


def _opencv() -> None:
    cv2: Any = sys.modules["cv2"]
    cv2.imwrite = _translated(cv2.imwrite, _writing("cv2"))
    cv2.imread = _translated(cv2.imread, _reading)
