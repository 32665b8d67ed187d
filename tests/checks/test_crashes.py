from __future__ import annotations

import pytest

from dlmon.checks.crash_kinds import kind_of
from dlmon_probes import events, events_machine
from dlmon_probes.events import Where
from tests.builders import Story, at, named, told

SHAPES = [
    (
        "mat1 and mat2 shapes cannot be multiplied (32x512 and 400x10)",
        "fc1 expects 400 features, gets 512: nn.Linear(512, 10)",
    ),
    (
        "Given groups=1, weight of size [16, 3, 3, 3], expected input[32, 1, 28, 28] to have 3 channels, but got 1 "
        "channels instead",
        "fc1 expects 3 channels, gets 1 (input 32×1×28×28)",
    ),
    (
        "The size of tensor a (10) must match the size of tensor b (32) at non-singleton dimension 1",
        "two tensors do not fit: 10 against 32 in dimension 1",
    ),
    ("Expected input batch_size (64) to match target batch_size (32).", "predictions for 64 samples, targets for 32"),
    ("shape '[-1, 400]' is invalid for input of size 12345", "view to ?×400 is impossible: 12345 elements are not a "),
    ("running_mean should contain 16 elements not 32", "fc1 normalises 32 features, gets 16"),
    (
        "Using a target size (torch.Size([32])) that is different to the input size (torch.Size([32, 1])).",
        "predictions are 32×1, targets 32",
    ),
    (
        "Sizes of tensors must match except in dimension 1. Expected size 64 but got size 63 for tensor number 1",
        "tensors put together along dimension 1 differ elsewhere: 64 against 63",
    ),
    (
        "stack expects each tensor to be equal size, but got [3, 20, 20] at entry 0 and [3, 21, 20] at entry 1",
        "samples of one batch have different shapes: [3, 20, 20] and [3, 21, 20]",
    ),
    (
        "Given normalized_shape=[64], expected input with shape [*, 64], but got input of size[32, 10, 32]",
        "fc1 normalises the last dimensions 64, gets 32×10×32",
    ),
    ("input.size(-1) must be equal to input_size. Expected 10, got 5", "fc1 expects 10 features per step, gets 5"),
    ("0D or 1D target tensor expected, multi-target not supported", "cross_entropy gets targets with more than one"),
    (
        "Error(s) in loading state_dict for Net:\n\tsize mismatch for fc.weight: copying a param with shape "
        "torch.Size([10, 8]) from checkpoint, the shape in current model is torch.Size([4, 8]).",
        "the checkpoint's fc.weight is 10×8, the model's 4×8",
    ),
    ("Kernel size can't be greater than actual input size", "RuntimeError: Kernel size can't be greater than actual"),
]
LINEAR = events.FailingModule("fc1", "Linear", inputs=[named("[0]", [32, 512])])


@pytest.mark.parametrize(("message", "title"), SHAPES, ids=[title[:40] for _, title in SHAPES])
def test_shapes_in_words(message: str, title: str) -> None:
    run = Story().series().losses([1.0]).crash("RuntimeError", message, module=LINEAR, phase="forward")
    finding = told(run, "crash.shape")
    assert finding.title.startswith(title) and finding.advice
    assert finding.where is not None and (finding.where.file, finding.where.line) == ("train.py", 31)
    assert run.ids() == ["crash.shape"]


def test_an_input_that_was_not_flattened() -> None:
    module = events.FailingModule("fc1", "Linear", inputs=[named("[0]", [32, 16, 5, 5])])
    run = Story().crash("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (2560x5 and 400x120)", module=module)
    finding = told(run, "crash.shape")
    assert "32×16×5×5 is not flattened" in finding.title and "flatten(1)" in finding.advice


def test_images_with_their_channels_last() -> None:
    message = (
        "Given groups=1, weight of size [16, 3, 3, 3], expected input[32, 28, 28, 3] to have 3 channels, but got 28 "
        "channels instead"
    )
    conv = events.FailingModule("conv1", "Conv2d")
    finding = told(Story().crash("RuntimeError", message, module=conv), "crash.shape")
    assert "permute(0, 3, 1, 2)" in finding.advice and finding.title.startswith("conv1 expects 3 channels, gets 28")


def test_a_product_outside_any_layer() -> None:
    finding = told(
        Story().crash("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"), "crash.shape"
    )
    assert finding.title == "a 3×4 matrix cannot be multiplied by a 5×6 one"


KINDS = [
    ("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0", "crash.oom"),
    ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to", "crash.oom"),
    ("MemoryError", "", "crash.oom"),
    ("RuntimeError", "Expected all tensors to be on the same device, but found at least two devices", "crash.device"),
    (
        "RuntimeError",
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
        "crash.device",
    ),
    ("AssertionError", "Torch not compiled with CUDA enabled", "crash.device"),
    ("RuntimeError", "Tensor on device meta is not on the expected device cpu!", "crash.device"),
    ("RuntimeError", "mat1 and mat2 must have the same dtype, but got Double and Float", "crash.dtype"),
    ("RuntimeError", "expected scalar type Long but found Float", "crash.dtype"),
    ("RuntimeError", "Found dtype Double but expected Float", "crash.dtype"),
    ("RuntimeError", "Input type (double) and bias type (float) should be the same", "crash.dtype"),
    ("RuntimeError", "\"nll_loss_out_frame\" not implemented for 'Int'", "crash.dtype"),
    ("IndexError", "index out of range in self", "crash.index"),
    ("IndexError", "list index out of range", "crash.index"),
    ("KeyError", "'image'", "crash.other"),
    ("ValueError", "everything is fine", "crash.other"),
    ("RuntimeError", "element 0 of tensors does not require grad and does not have a grad_fn", "crash.autograd"),
]


@pytest.mark.parametrize(("type", "message", "id"), KINDS, ids=[message[:30] for _, message, _ in KINDS])
def test_kinds_of_failure(type: str, message: str, id: str) -> None:
    run = Story().series().losses([1.0]).crash(type, message)
    finding = told(run, id)
    assert run.ids() == [id] and finding.severity == "error" and finding.where is not None
    assert finding.step == 1 and finding.evidence["type"] == type


def test_memory_says_how_much_was_asked_for() -> None:
    run = Story().crash("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.50 GiB.", phase="backward")
    assert told(run, "crash.oom").title == "out of GPU memory in backward: 2.50 GiB more were asked for"


def test_known_words_of_autograd_get_their_own_advice() -> None:
    message = "element 0 of tensors does not require grad and does not have a grad_fn"
    assert "detach" in told(Story().crash("RuntimeError", message), "crash.autograd").advice


@pytest.mark.parametrize("type", ["KeyboardInterrupt", "SystemExit"])
def test_leaving_on_purpose_is_no_crash(type: str) -> None:
    run = Story().series().losses([1.0]).crash(type, "0")
    assert run.ids() == []
    crash = run.events[-1]
    assert isinstance(crash, events.Crash) and kind_of(crash) is None


def test_a_run_that_ended_well_has_no_findings() -> None:
    assert Story().series().losses([1.0, 0.5]).exit(0).ids() == []


def test_the_first_process_to_fail_is_blamed() -> None:
    from dlmon.checks.registry import Judge
    from dlmon.state.run_state import RunState

    first = Story(rank=1).crash("KeyError", "'x'")
    second = Story(rank=0).losses([1.0 / (1 + i) for i in range(50)]).crash("RuntimeError", "Connection closed by peer")
    state = RunState(first.folder)
    state.fold_all([*first.tagged(), *second.tagged()])
    findings = Judge()(state.snapshot(second.now)).findings
    assert [(finding.id, finding.rank, finding.title) for finding in findings] == [("crash.other", 1, "KeyError: 'x'")]


def labels_crash(low: float = 0, high: float = 5) -> Story:
    frames = [
        events.Frame(at(40, "loss = criterion(model(x), y)"), user=True, tensors=[named("x", [8, 11])]),
        events.Frame(
            Where("/lib/torch/nn/functional.py", 1, "cross_entropy"),
            tensors=[named("input", [8, 5]), named("target", [8], "int64", min=low, max=high)],
        ),
    ]
    return Story().series().losses([1.0]).crash("IndexError", "Target 5 is out of bounds.", frames=frames)


def test_labels_outside_the_classes_by_crash() -> None:
    finding = told(labels_crash(), "data.labels_out_of_range")
    assert finding.title == "label 5 is outside the 5 classes (0 … 4); this batch's labels go from 0 to 5"
    assert finding.where is not None and finding.where.line == 40
    assert labels_crash().ids() == ["data.labels_out_of_range"], "crash.index says the same less well"


def test_labels_that_start_at_one() -> None:
    assert "subtract 1" in told(labels_crash(1, 5), "data.labels_out_of_range").advice
    assert "start at 1:" not in told(labels_crash(0, 5), "data.labels_out_of_range").advice


def test_labels_of_a_loss_module_that_is_known() -> None:
    module = events.FailingModule(
        "", "CrossEntropyLoss", inputs=[named("input", [8, 5]), named("target", [8], "int64")]
    )
    run = Story().crash("IndexError", "Target 7 is out of bounds.", module=module)
    assert told(run, "data.labels_out_of_range").title == "label 7 is outside the 5 classes (0 … 4)"


def test_an_index_beyond_an_embedding() -> None:
    module = events.FailingModule(
        "tokens", "Embedding", parameters=[named("weight", [10, 4])], inputs=[named("input", [2], "int64", max=10.0)]
    )
    run = Story().crash("IndexError", "index out of range in self", module=module)
    assert told(run, "crash.index").title == "index 10 in tokens, which has 10 rows (0 … 9)"


def loss(labels: dict[str, int], **facts: int) -> events.LossFacts:
    return events.LossFacts(op="NllLossBackward0", classes=5, labels=labels, reduction=1, **facts)


def test_labels_outside_the_classes_by_value() -> None:
    run = Story().series().graph([("NllLossBackward0", [], {})], value=1.6, losses=[loss({"0": 3, "5": 1, "-2": 1})])
    assert told(run, "data.labels_out_of_range").title == "labels -2, 5 are outside the 5 classes"


def test_labels_inside_the_classes_and_the_ignored_one() -> None:
    fine = loss({"0": 3, "4": 1, "-100": 7}, ignore_index=-100)
    assert Story().series().graph([("NllLossBackward0", [], {})], value=1.6, losses=[fine]).ids() == []
    ignored = loss({"255": 3, "1": 1}, ignore_index=255)
    assert Story().series().graph([("NllLossBackward0", [], {})], value=1.6, losses=[ignored]).ids() == []


def test_killed_by_the_kernel_for_its_memory() -> None:
    run = Story().series().losses([1.0])
    run.host.append(events.Host(t=run.now, cpu=0.5, cores=2, ram_used=97, ram_total=100))
    finding = told(run.exit(137, "SIGKILL"), "crash.killed")
    assert "memory 97% full" in finding.title


def test_killed_by_a_fault_below_python() -> None:
    assert "SIGSEGV" in told(Story().series().losses([1.0]).exit(139, "SIGSEGV"), "crash.killed").title


def test_stopped_on_purpose_is_not_killed() -> None:
    assert Story().series().losses([1.0]).exit(130, "SIGINT").ids() == []
    run = Story().series().losses([1.0])
    run.host.append(events.Signal(t=run.now, signal="SIGKILL", reason="stop"))
    assert run.exit(137, "SIGKILL").ids() == []


def test_a_killed_training_is_told_with_the_line_it_was_last_seen_in() -> None:
    story = Story().series(line=20).losses([1.0, 0.9, 0.8])
    place = events_machine.Place(story.now - 5, 2, at(33, "x = decode(path)"))
    story.add(place, events.Heartbeat(story.now, 3, "training", 0.1)).exit(137, "SIGKILL")
    finding = told(story, "crash.killed")
    assert finding.where == place.where
    assert "killed by SIGKILL; it was last seen in train.py:33" in finding.title


def test_a_killed_training_that_was_never_looked_at() -> None:
    finding = told(Story().series(line=20).losses([1.0]).exit(137, "SIGKILL"), "crash.killed")
    assert finding.where is not None and finding.where.line == 20, "the backward, as the only line that is known"
    assert "last seen" not in finding.title
