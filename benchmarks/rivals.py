"""Other ways to watch gradients, as people write them, on the same loop: for `overhead.py`.

Each is called after every optimizer step with the step's number.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from workloads import Workload

Watch = Callable[[int], None]


def _nothing() -> None:
    """Most need no preparation."""


@dataclass(frozen=True)
class Rival:
    """watch: called after each step. before, after: around a block of watched steps; plain blocks must not have it."""

    watch: Watch
    before: Callable[[], object] = _nothing
    after: Callable[[], object] = _nothing


def item_norms(workload: Workload, _folder: str) -> Rival:
    """`p.grad.norm().item()` for each parameter at each step, kept in a list of dicts."""
    history: list[dict[str, float]] = []

    def watch(_step: int) -> None:
        history.append(
            {name: p.grad.norm().item() for name, p in workload.model.named_parameters() if p.grad is not None}
        )

    return Rival(watch)


def tensorboard_histograms(workload: Workload, folder: str) -> Rival:
    """`SummaryWriter.add_histogram` of each parameter and its gradient at each step."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def watch(step: int) -> None:
        for name, p in workload.model.named_parameters():
            writer.add_histogram(name, p, step)
            if p.grad is not None:
                writer.add_histogram(f"{name}.grad", p.grad, step)

    return Rival(watch)


def wandb_watch(workload: Workload, folder: str) -> Rival:
    """`wandb.watch(model, log_freq=1)` offline, with `wandb.log` at each step."""
    import wandb

    run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))

    def watch(step: int) -> None:
        run.log({"step": step})

    return Rival(
        watch,
        before=lambda: run.watch(workload.model, log="gradients", log_freq=1),
        after=lambda: run.unwatch(workload.model),
    )


def available() -> dict[str, Callable[[Workload, str], Rival]]:
    """Those that can be run here, by the name that the table shows."""
    found: dict[str, Callable[[Workload, str], Rival]] = {"per-step .item() norms": item_norms}
    if importlib.util.find_spec("tensorboard") is not None:
        found["TensorBoard histograms"] = tensorboard_histograms
    if importlib.util.find_spec("wandb") is not None:
        found["wandb.watch offline"] = wandb_watch
    return found
