"""Other ways to watch gradients, as people write them, on the same loop: for `overhead.py`.

Each is called after every optimizer step with the step's number.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from workloads import Workload

Watch = Callable[[int], None]


def item_norms(workload: Workload, _folder: str) -> Watch:
    """`p.grad.norm().item()` for each parameter at each step, kept in a list of dicts."""
    history: list[dict[str, float]] = []

    def watch(_step: int) -> None:
        history.append(
            {name: p.grad.norm().item() for name, p in workload.model.named_parameters() if p.grad is not None}
        )

    return watch


def tensorboard_histograms(workload: Workload, folder: str) -> Watch:
    """`SummaryWriter.add_histogram` of each parameter and its gradient at each step."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder)

    def watch(step: int) -> None:
        for name, p in workload.model.named_parameters():
            writer.add_histogram(name, p, step)
            if p.grad is not None:
                writer.add_histogram(f"{name}.grad", p.grad, step)

    return watch


def wandb_watch(workload: Workload, folder: str) -> Watch:
    """`wandb.watch(model, log_freq=1)` offline, with `wandb.log` at each step."""
    import wandb

    run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
    run.watch(workload.model, log="gradients", log_freq=1)

    def watch(step: int) -> None:
        run.log({"step": step})

    return watch


def available() -> dict[str, Callable[[Workload, str], Watch]]:
    """Those that can be run here, by the name that the table shows."""
    found: dict[str, Callable[[Workload, str], Watch]] = {"per-step .item() norms": item_norms}
    if importlib.util.find_spec("tensorboard") is not None:
        found["TensorBoard histograms"] = tensorboard_histograms
    if importlib.util.find_spec("wandb") is not None:
        found["wandb.watch offline"] = wandb_watch
    return found
