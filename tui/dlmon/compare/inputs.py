"""What went into a run, as named values that can be laid beside those of another run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from dlmon.compare.side import Side
from dlmon.state.snapshot import RankFacts
from dlmon.text import number, setting, shape
from dlmon_probes import events

# Variables that name a job, a port or a terminal: they are others in every run, and change no result.
_INCIDENTAL = frozenset(
    {"TERM", "SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_PROCID", "MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK",
     "PYTHONUNBUFFERED", "PYTHONPATH", "TORCHINDUCTOR_CACHE_DIR", "NCCL_DEBUG", "LANG", "LC_ALL", "VIRTUAL_ENV",
     "CONDA_DEFAULT_ENV"}
)  # fmt: skip
SEED_VARIABLE = "PYTHONHASHSEED"
_OPTIONS = ("lr", "momentum", "weight_decay", "betas", "eps", "nesterov", "amsgrad", "dampening", "alpha", "maximize")


def environment(side: Side) -> dict[str, str]:
    """Interpreter, torch, CUDA, and the variables that may change a result."""
    hello = _hello(side)
    known = {
        "python": hello.python if hello else "",
        "torch": (hello.torch or "") if hello else "",
        "cuda": (hello.cuda or "") if hello else "",
        "interpreter": side.manifest.python or "",
    }
    variables = {
        name: value
        for name, value in side.manifest.environment.values.items()
        if name not in _INCIDENTAL and name != SEED_VARIABLE
    }
    return {name: value for name, value in {**known, **variables}.items() if value}


def devices(side: Side) -> dict[str, str]:
    """What the training ran on."""
    facts = side.snapshot.leader
    host = side.snapshot.machine.host
    held = {row.device.partition(":")[0] for model in (facts.models if facts else ()) for row in model.parameters}
    gpus = sorted(gpu.name for gpu in host.gpus) if host else []
    found = {
        "model on": ", ".join(sorted(held)),
        "GPUs": ", ".join(f"{gpus.count(name)} × {name}" for name in dict.fromkeys(gpus)),
        "processes": str(side.snapshot.world) if facts else "",
    }
    return {name: value for name, value in found.items() if value}


def incidental(side: Side) -> dict[str, str]:
    """Worth knowing, but no cause of another result."""
    host = side.snapshot.machine.host
    found = {
        "host": side.manifest.host,
        "cores": str(host.cores) if host else "",
        "dlmon": side.manifest.dlmon,
        "folder": PurePosixPath(side.manifest.cwd).as_posix() if side.manifest.cwd else "",
    }
    return {name: value for name, value in found.items() if value}


def commit(side: Side) -> str:
    """The git commit, with a word on uncommitted changes; "" outside a repository."""
    git = side.manifest.git
    if git is None or not git.commit:
        return ""
    return git.commit[:12] + (" with uncommitted changes" if git.dirty else "")


def observed(side: Side) -> dict[str, str]:
    """What the run was seen to work with: model, optimizer, data. It follows from what went in."""
    facts = side.snapshot.leader
    return dict(_observed(facts)) if facts else {}


def _observed(facts: RankFacts) -> Iterator[tuple[str, str]]:
    if facts.models:
        models = {model.root: model for model in facts.models}
        yield "model", ", ".join(_model(model) for model in models.values())
    for optimizer in {optimizer.index: optimizer for optimizer in facts.optimizers}.values():
        yield f"optimizer{f' {optimizer.index}' if optimizer.index else ''}", _optimizer(optimizer)
    for loader in facts.loaders.values():
        yield f"loader {loader.loader}", _loader(loader)
    for batch in _first_batches(facts):
        name = f"first batch of loader {batch.loader}" if batch.loader >= 0 else "first batch"
        yield name, "; ".join(_tensor(tensor) for tensor in batch.tensors[:4])
    weights = _first_weights(facts)
    if weights:
        yield "first weights", weights


def _model(model: events.Model) -> str:
    amount = sum(row.numel for row in model.parameters)
    return f"{model.cls or 'loose tensors'} with {amount:,} parameters"


def _optimizer(optimizer: events.Optimizer) -> str:
    groups = [_options(group.options) for group in optimizer.groups]
    return f"{optimizer.cls} {' | '.join(dict.fromkeys(groups))}".strip()


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_plain(options[name])}" for name in _OPTIONS if options.get(name) not in (None, False, 0)
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return setting(float(value))


def _loader(loader: events.Loader) -> str:
    parts = [loader.dataset]
    parts += [f"{loader.samples:,} samples"] if loader.samples is not None else []
    parts += [f"batches of {loader.batch_size}"] if loader.batch_size is not None else []
    parts += [loader.sampler] if loader.sampler else []
    parts += [f"{loader.workers} workers"] if loader.workers else []
    parts += ["last batch dropped"] if loader.drop_last else []
    return ", ".join(parts)


def _first_batches(facts: RankFacts) -> list[events.Batch]:
    first: dict[int, events.Batch] = {}
    for batch in facts.batches:
        first.setdefault(batch.loader, batch)
    return [first[loader] for loader in sorted(first)]


def _tensor(tensor: events.NamedTensor) -> str:
    """Shape and statistics: two batches that agree in all of them are the same for all practical purposes."""
    facts = tensor.facts
    told = [
        f"{name} {_exact(value)}" for name, value in (("mean", facts.mean), ("std", facts.std)) if value is not None
    ]
    return " ".join([f"{tensor.path} {shape(facts.shape)} {facts.dtype}", *told])


def _exact(value: float) -> str:
    return f"{value:.6g}"


def _first_weights(facts: RankFacts) -> str:
    """The total norm of the weights before the first step; "" where it was not sampled."""
    for sample in facts.gradients:
        known = [value for value in sample.weight if value is not None]
        if sample.step == 0 and known:
            return f"norm {sum(value * value for value in known) ** 0.5:.6g}"
    return ""


def first_loss(side: Side) -> str:
    """Of the first backward call site."""
    for series in side.snapshot.series:
        if series.source == "loss" and series.first:
            return number(series.first[0][1])
    return ""


def _hello(side: Side) -> events.Hello | None:
    facts = side.snapshot.leader
    return facts.hello if facts else None
