"""Programs that the end-to-end tests run, and what must be found in their logs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.twins import SAMPLES, STRANGERS


@dataclass(frozen=True)
class Case:
    """A program and what its log must hold.

    steps: optimizer steps over all ranks; None: at least one. only: compare lines that have one of these words.
    findings: errors and warnings that are right for it. pattern: compare what this finds, in any order (ranks that
    print at once tear each other's lines).
    """

    name: str
    steps: int | None = None
    command: tuple[str, ...] = ()
    code: int = 0
    stdin: bytes | None = None
    only: tuple[bytes, ...] = ()
    bystander: bool = False
    findings: frozenset[str] = frozenset()
    pattern: bytes = b""

    def argv(self) -> list[str]:
        return [str(part) for part in self.command or (STRANGERS / f"{self.name}.py",)]


def sample(name: str, *options: str) -> tuple[str, ...]:
    return (str(SAMPLES / name), *options)


def torchrun(script: Path, *options: str) -> tuple[str, ...]:
    # A port of the system's choosing: two twins start at once.
    return ("torchrun", "--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
            str(script), *options)  # fmt: skip


# Programs with times or launchers' messages in their output: only these lines are compared.
BY_RANK = rb"rank \d (?:step \d+ loss \d\.\d+(?:e-\d+)?|weights [\da-f]{16})"
RESULTS = (b"loss", b"digest", b"weights")

SAMPLE_CASES = [
    Case("stripes_cnn", 40, sample("stripes_cnn.py", "--epochs", "2", "--train-size", "640", "--log-every", "1")),
    Case("stripes_linear", 20, sample("stripes_cnn.py", "--model", "linear", "--epochs", "1", "--train-size", "640",
                                      "--log-every", "1")),
    Case("char_transformer", 20, sample("char_transformer.py", "--steps", "20", "--eval-interval", "10",
                                        "--eval-iters", "2", "--log-every", "1"), only=RESULTS),
    Case("segmentation", 16, sample("segmentation.py", "--epochs", "2", "--train-size", "128", "--log-every", "1")),
    Case("regression", 60, sample("regression.py", "--epochs", "3", "--rows", "1600", "--log-every", "1")),
    Case("gan", None, sample("gan.py", "--steps", "60", "--log-every", "1")),
    Case("ddp_two_ranks", 32, torchrun(SAMPLES / "ddp_two_ranks.py", "--epochs", "2", "--samples", "512",
                                       "--log-every", "1"), pattern=BY_RANK),
]  # fmt: skip

STRANGER_CASES = [
    Case("plain_loop", 60),
    Case("grad_accumulation", 14),
    Case("lbfgs_closure", 12),
    Case("by_hand", 75),
    Case("functional_torch_func"),
    Case("autograd_grad_loop", 25),
    Case("penalty_gradient"),
    Case("amp_autocast", 29),  # the scaler left one out
    Case("multi_task", 30),
    Case("frozen_backbone", 20),
    Case("ema_teacher", 30),
    Case("save_whole_model", 12),
    Case("exec_configurator", 30, (str(STRANGERS / "exec_configurator.py"), "--max_iters=30")),
    Case("gc_disabled", 150),
    Case("warnings_as_errors", 15),
    Case("default_float64", 25),
    Case("default_device", 21),
    Case("spawned_trainers", 20),
    Case("loader_workers", 16),
    Case("iterable_stream", 25),
    Case("odd_classes", 20),
    Case("local_modules", 20, (str(STRANGERS / "local_modules" / "train.py"),)),
    Case("compiled", 12),
    Case("checkpointed", 20),
    Case("sparse_embedding"),
    Case("complex_params", 30),
    Case("reinforce", 30),
    Case("vae", 32),
    Case("fork_helper", 16),
    Case("fork_trains", 10),
    Case("signal_handlers", 30),
    Case("exit_code_three", 10, code=3),
    Case("uncaught_exception", 7, code=1, findings=frozenset({"crash.shape"})),
    Case("plain_traceback", 9, code=1, findings=frozenset({"crash.index"})),
    Case("swallowed_exit", 17),
    Case("reads_stdin", 25, stdin=b"7\n" + b"".join(b"%d,%d,%d\n" % (i % 3, i % 5, i % 3 + 2) for i in range(30))),
    Case("bytes_not_utf8", 10),
    Case("trains_twice", 60),
    Case("shared_and_subclassed", 20),
    Case("saved_hooks_and_modes", 16),
    Case("fused_backward"),
    Case("threads_and_rng", 25),
    Case("tqdm_bars", 24),
    Case("no_training", bystander=True),
    Case("torchrun_gloo", 24, torchrun(STRANGERS / "torchrun_gloo.py"), only=RESULTS),
    Case("fsdp_two", 20, torchrun(STRANGERS / "fsdp_two.py"), only=RESULTS),
]

FRAMEWORK_CASES = {
    "lightning": Case("lightning_tiny", 12, only=(b" loss ", b"digest")),
    "transformers": Case("hf_trainer_tiny", 8, only=(b" loss ", b"digest")),
    "accelerate": Case("accelerate_tiny", 8, only=(b"loss", b"digest")),
}

HEALTHY = SAMPLE_CASES + STRANGER_CASES

# Ways of training that differ least from the others: with the slow proofs.
_SLOW = frozenset(
    {
        "stripes_linear", "segmentation", "regression", "ema_teacher", "exec_configurator", "default_device",
        "spawned_trainers", "iterable_stream", "local_modules", "checkpointed", "sparse_embedding", "complex_params",
        "reinforce", "vae", "fork_trains", "signal_handlers", "plain_traceback", "reads_stdin",
        "saved_hooks_and_modes", "fused_backward", "threads_and_rng", "fsdp_two", "default_float64",
        "warnings_as_errors",
    }
)  # fmt: skip


def parameters(cases: list[Case]) -> list[Any]:
    """The cases for `parametrize`, by their names."""
    return [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in _SLOW else []) for case in cases]
