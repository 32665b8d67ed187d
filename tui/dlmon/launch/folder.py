"""A new run's folder and what is known of the run before it starts."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import dlmon
from dlmon.errors import UserError, reason
from dlmon.launch.command import Command
from dlmon.record.manifest import Environment, Manifest, write_manifest
from dlmon_probes import control

# Variables that change what a training does and cannot hold a secret.
SHOWN_VARIABLES = frozenset(
    {
        "CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_ORDER", "CUBLAS_WORKSPACE_CONFIG",
        "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "TORCH_CUDA_ARCH_LIST", "TORCHINDUCTOR_CACHE_DIR",
        "TORCH_LOGS", "TORCHDYNAMO_DISABLE", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS", "NCCL_DEBUG", "NCCL_SOCKET_IFNAME", "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE", "RANK",
        "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID",
        "SLURM_JOB_NAME", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_NNODES", "PYTHONHASHSEED", "PYTHONPATH",
        "PYTHONWARNINGS", "PYTHONUNBUFFERED", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "TOKENIZERS_PARALLELISM",
        "TF_ENABLE_ONEDNN_OPTS", "LANG", "LC_ALL", "TERM",
    }
)  # fmt: skip


def create(runs: Path, command: Command, *, name: str | None, overhead: float, exact: bool = False) -> Path:
    """Make the folder (mode 0700) with its manifest and control page; its absolute path. Raises UserError."""
    created = time.time()
    try:
        stem = plain_name(name or command.stem)
        folder = new_folder(runs, stem if exact else f"{moment_name(created)}-{stem}")
        control.create(str(folder))
        write_manifest(folder, _manifest(folder, command, created, overhead))
    except OSError as error:
        where = error.filename or runs
        raise UserError(
            f"cannot make a run folder in {runs}: {where}: {reason(error)}; choose another place with --runs-dir"
        ) from None
    return folder


def moment_name(when: float) -> str:
    """A time as the beginning of a folder's name: names sort as runs were started."""
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(when))


def new_folder(runs: Path, stem: str) -> Path:
    """Make `stem`, or `stem-2`, … in `runs`, for the user's eyes only. Raises OSError."""
    runs.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = runs.resolve() / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(mode=0o700)
            return folder
        except FileExistsError:
            number += 1


def plain_name(name: str) -> str:
    """A name that is one part of a path and needs no quoting in a shell."""
    return re.sub(r"[^\w.+=-]+", "-", name, flags=re.ASCII).strip("-.")[:80] or "run"


def _manifest(folder: Path, command: Command, created: float, overhead: float) -> Manifest:
    return Manifest(
        name=folder.name,
        command=[_readable(word) for word in command.child],
        argv=[_readable(word) for word in command.argv],
        script=str(command.script) if command.script is not None else None,
        cwd=str(Path.cwd()),
        created=created,
        python=command.python,
        environment=_environment(os.environ),
        host=os.uname().nodename,
        dlmon=dlmon.__version__,
        overhead=overhead,
    )


def _readable(word: str) -> str:
    """Arguments are bytes; those that are no text are shown with replacement signs."""
    return os.fsencode(word).decode("utf-8", "replace")


def _environment(variables: Mapping[str, str]) -> Environment:
    values = {name: _readable(value) for name, value in variables.items() if name in SHOWN_VARIABLES}
    return Environment(sorted(_readable(name) for name in variables), dict(sorted(values.items())))
