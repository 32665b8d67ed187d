"""What a logged name stands for: a training loss, a learning rate, a result of an evaluation, or something else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

LOSS, LR, GRAD_NORM, STEP_SECONDS, WAIT_SECONDS, EVALUATION_LOSS, EVALUATION_ACCURACY, OTHER = (
    "loss", "lr", "grad_norm", "step_seconds", "wait_seconds", "evaluation loss", "evaluation accuracy", "other",
)  # fmt: skip

# Names of columns, best first; compared in lower case.
EPOCH = "epoch"  # as a step it may be a fraction
STEP_COLUMNS = ("step", "_step", "global_step", "trainer/global_step", "iteration", "iter", "steps", "batch", EPOCH)
TIME_COLUMNS = ("time", "t", "timestamp", "_timestamp", "wall_time", "unix_time")

_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_EVALUATION = {
    "val": "val", "valid": "val", "validation": "val", "eval": "eval", "evaluation": "eval", "dev": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip
_EXACT = {
    "grad_norm": GRAD_NORM, "gradient_norm": GRAD_NORM, "train/grad_norm": GRAD_NORM, "train_grad_norm": GRAD_NORM,
    "step_seconds": STEP_SECONDS, "wait_seconds": WAIT_SECONDS,
}  # fmt: skip


class Role(NamedTuple):
    """kind: one of the words above. of: the evaluation's name ("val", "test"), "" for others."""

    kind: str
    of: str = ""


@lru_cache(maxsize=4096)
def role(tag: str) -> Role:
    """The role of a name such as `train/loss`, `val_acc`, `lr-AdamW` or `eval_loss`."""
    exact = _EXACT.get(tag.lower())
    if exact is not None:
        return Role(exact)
    parts = [part.lower() for part in _PARTS.findall(tag)]
    where = next((_EVALUATION[part] for part in parts if part in _EVALUATION), "")
    if where:
        loader = f"{where} {parts[-1]}" if "dataloader" in parts and parts[-1].isdigit() else where
        return _evaluation(parts, loader)
    if "lr" in parts or ("learning" in parts and "rate" in parts):
        return Role(LR)
    if "loss" in parts and parts[-1] != "epoch" and not _is_of_a_loss(parts):
        return Role(LOSS)
    return Role(OTHER)


def _evaluation(parts: list[str], where: str) -> Role:
    if "step" in parts:  # Lightning's value of each batch; the one of the whole pass follows
        return Role(OTHER)
    words = [part for part in parts if part not in _EVALUATION and part not in ("epoch", "dataloader", "idx")]
    words = [part for part in words if not part.isdigit()]
    if words == ["loss"]:
        return Role(EVALUATION_LOSS, where)
    if words in (["acc"], ["accuracy"]):
        return Role(EVALUATION_ACCURACY, where)
    return Role(OTHER)


def _is_of_a_loss(parts: list[str]) -> bool:
    """`loss_scale` and `best_loss` are numbers of or about a loss, not the loss."""
    return bool(
        {"scale", "scaler", "scaling", "weight", "best", "min", "max", "std", "ratio", "coef", "summary"} & set(parts)
    )
