"""The words of torch 2.13 for failures that people run into, and what is made of them."""

from __future__ import annotations

import pytest

from dlmon_probes import events
from tests.builders import START, Story, at, named, told

RUNTIME = "RuntimeError"
CASES = [
    (RUNTIME, "Given transposed=1, weight of size [3, 4, 3, 3], expected input[2, 5, 8, 8] to have 3 channels, but got "
     "5 channels instead", "crash.shape", "fc expects 3 channels, gets 5"),
    (RUNTIME, "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [8, 8]", "crash.shape",
     "fc wants 3D (unbatched) or 4D (batched) input, gets 8×8"),
    (RUNTIME, "Given input size: (3x2x2). Calculated output size: (3x0x0). Output size is too small", "crash.shape",
     "fc gets 3×2×2, too small to be pooled"),
    (RUNTIME, "Calculated padded input size per channel: (4 x 4). Kernel size: (9 x 9). Kernel size can't be greater "
     "than actual input size", "crash.shape", "fc has a kernel of 9×9, its padded input is only 4×4"),
    ("ValueError", "Expected more than 1 value per channel when training, got input size torch.Size([1, 4])",
     "crash.shape", "fc cannot normalise one value per channel (input 1×4)"),
    ("ValueError", "expected 4D input (got 2D input)", "crash.shape", "fc wants 4D input, gets 2D"),
    (RUNTIME, "Expected weight to be a vector of size equal to the number of channels in input, but got weight of "
     "shape [4] and input of shape [3, 6, 4, 4]", "crash.shape", "fc normalises 4 channels, gets 6 (input 3×6×4×4)"),
    ("ValueError", "num_channels (4) must be divisible by num_groups (3)", "crash.shape", "num_channels (4) must be"),
    (RUNTIME, "Expected hidden[0] size (1, 2, 5), got [1, 3, 5]", "crash.shape", "fc wants a state of 1×2×5, gets"),
    (RUNTIME, "input has inconsistent input_size: got 6 expected 4", "crash.shape", "fc expects 4 features, gets 6"),
    ("AssertionError", "was expecting embedding dimension of 8, but got 6", "crash.shape", "fc has embed_dim 8, its"),
    (RUNTIME, "The shape of the 2D attn_mask is torch.Size([4, 4]), but should be (3, 3).", "crash.shape",
     "the attention mask of fc is 4×4, it must be 3×3"),
    ("AssertionError", "Expected key_padded_mask.shape[0] to be 2, but got 3", "crash.shape", "the padding mask of fc"),
    (RUNTIME, "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5].", "crash.shape",
     "batched product: 4 columns against 5 rows"),
    (RUNTIME, "size mismatch, got input (2), mat (2x3), vec (4)", "crash.shape", "a 2×3 matrix cannot be multiplied"),
    (RUNTIME, "Tensors must have same number of dimensions: got 2 and 1", "crash.shape", "tensors of 2 and 1 dimens"),
    (RUNTIME, "output with shape [3] doesn't match the broadcast shape [2, 3]", "crash.shape", "an in-place operation"),
    (RUNTIME, "The expanded size of the tensor (4) must match the existing size (5) at non-singleton dimension 0.  "
     "Target sizes: [4].  Tensor sizes: [5]", "crash.shape", "5 elements do not go where 4 belong"),
    ("IndexError", "Dimension out of range (expected to be in range of [-2, 1], but got 2)", "crash.shape",
     "dimension 2 is asked of a tensor with dimensions -2 … 1"),
    (RUNTIME, "einsum(): subscript j has size 4 for operand 1 which does not broadcast with previously seen size 3",
     "crash.shape", "einsum: j is 4 in one operand and 3 in another"),
    (RUNTIME, "only batches of spatial targets supported (3D tensors) but got targets of dimension: 4", "crash.shape",
     "cross_entropy over images gets targets with 4 dimensions"),
    (RUNTIME, "Expected target size [2, 10], got [2, 7]", "crash.shape", "cross_entropy wants targets of 2×10, gets"),
    ("ValueError", "Target size (torch.Size([4])) must be the same as input size (torch.Size([4, 1]))", "crash.shape",
     "predictions are 4×1, targets 4"),
    (RUNTIME, "view size is not compatible with input tensor's size and stride (at least one dimension spans across "
     "two contiguous subspaces). Use .reshape(...) instead.", "crash.shape", "view() on a tensor that is not contig"),
    (RUNTIME, "mat1 and mat2 must have the same dtype, but got Double and Float", "crash.dtype",
     "fc has float32 weights, its input is float64"),
    (RUNTIME, "Input type (unsigned char) and bias type (float) should be the same", "crash.dtype",
     "fc has float32 weights, its input is uint8"),
    (RUNTIME, "expected target dtype to be Long or Byte, but got Float", "crash.dtype", "cross_entropy wants class n"),
    (RUNTIME, "expected scalar type Long but found Float", "crash.dtype", "cross_entropy wants class numbers (int64)"),
    (RUNTIME, "Expected floating point type for target with class probabilities, got Long", "crash.dtype",
     "cross_entropy gets targets of the shape of its predictions, but of type int64"),
    (RUNTIME, "result type Float can't be cast to the desired output type Long", "crash.dtype", "a float32 result do"),
    (RUNTIME, "Found dtype Long but expected Float", "crash.dtype", "the target is int64, the prediction float32"),
    (RUNTIME, "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
     "torch.FloatTensor instead (while checking arguments for embedding)", "crash.dtype", "fc looks rows up by whole"),
    ("TypeError", "can't convert np.ndarray of type numpy.object_. The only supported types are: float", "crash.dtype",
     "a NumPy array of numpy.object_"),
    ("AssertionError", "Torch not compiled with CUDA enabled", "crash.device", "this torch has no CUDA, and the scri"),
    (RUNTIME, "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
     "crash.device", "the checkpoint was saved on a GPU, and there is none here"),
    (RUNTIME, "Tensor on device cpu is not on the expected device meta!", "crash.device", "fc lies on the meta device"),
    ("IndexError", "index 5 is out of bounds for dimension 0 with size 3", "crash.index", "index 5 of a dimension th"),
    (RUNTIME, "Trying to backward through the graph a second time (or directly access saved tensors after they have "
     "already been freed).", "crash.autograd", "backward() went through the same graph twice"),
    (RUNTIME, "a leaf Variable that requires grad is being used in an in-place operation.", "crash.autograd",
     "a trainable parameter is changed in place outside of no_grad()"),
    (RUNTIME, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.", "crash.autograd",
     "a tensor with a gradient history is turned into NumPy"),
    ("ValueError", "can't optimize a non-leaf Tensor", "crash.autograd", "the optimizer was given a tensor that is t"),
    (RUNTIME, "DataLoader worker (pid 4242) is killed by signal: Killed. ", "crash.worker", "a DataLoader worker was "),
    (RUNTIME, "DataLoader worker (pid 4242) is killed by signal: Bus error. It is possible that dataloader's workers "
     "are out of shared memory.", "crash.worker", "loader workers ran out of shared memory"),
    (RUNTIME, "DataLoader worker (pid(s) 11, 12) exited unexpectedly", "crash.worker", "a DataLoader worker ended wi"),
    ("AttributeError", "Can't pickle local object 'Rows.__init__.<locals>.<lambda>'", "crash.worker",
     "Rows.__init__.<locals>.<lambda> cannot be sent to a worker"),
    ("_pickle.PicklingError", "Can't pickle <function <lambda> at 0x7f>: attribute lookup <lambda> on __main__ failed",
     "crash.worker", "<lambda>"),
    ("TypeError", "cannot pickle '_io.BufferedReader' object", "crash.worker", "_io.BufferedReader cannot be sent to"),
    (RUNTIME, "An attempt has been made to start a new process before the current process has finished its "
     "bootstrapping phase.", "crash.worker", "workers are started while the script is being imported"),
    ("torch.multiprocessing.spawn.ProcessExitedException", "process 1 terminated with signal SIGKILL", "crash.worker",
     "a process of this training ended with SIGKILL"),
    ("ModuleNotFoundError", "No module named 'cv2'", "crash.import", "the package for `import cv2` is not installed"),
    ("ImportError", "cannot import name 'Adam8bit' from 'torch.optim' (/lib/optim.py)", "crash.import", "torch.optim"),
    ("ImportError", "libGL.so.1: cannot open shared object file: No such file or directory", "crash.import",
     "the library libGL.so.1 is missing"),
    (RUNTIME, 'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "fc.weight", "fc.bias". \n\t'
     'Unexpected key(s) in state_dict: "module.fc.weight", "module.fc.bias". ', "crash.checkpoint",
     "the checkpoint's names begin with `module.`: it was saved from DataParallel"),
    (RUNTIME, 'Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "fc.weight". \n\t'
     'Unexpected key(s) in state_dict: "model", "epoch". ', "crash.checkpoint", "the checkpoint is a dictionary arou"),
    (RUNTIME, 'Error(s) in loading state_dict for Net:\n\tUnexpected key(s) in state_dict: "head.bias". ',
     "crash.checkpoint", "the checkpoint is of another model: 0 weights are not in it, 1 of its own"),
    ("_pickle.UnpicklingError", "Weights only load failed. This file can still be loaded… \n\tWeightsUnpickler error: "
     "Unsupported global: GLOBAL models.Net was not an allowed global by default.", "crash.checkpoint",
     "torch.load refuses the checkpoint: it holds models.Net"),
    (RUNTIME, "PytorchStreamReader failed reading zip archive: failed finding central directory", "crash.checkpoint",
     "the checkpoint file is broken or no checkpoint"),
    ("AttributeError", "'NoneType' object has no attribute 'sum'", "crash.other", ".sum is asked of None"),
    ("TypeError", "linear(): argument 'input' (position 1) must be Tensor, not tuple", "crash.other",
     "linear in fc is given a tuple in place of a tensor"),
    ("ValueError", "num_samples should be a positive integer value, but got num_samples=0", "crash.other",
     "the data set is empty"),
    ("ValueError", "Expected parameter loc (Tensor of shape ()) of distribution Normal(loc: nan) to satisfy the "
     "constraint Real(), but found invalid values:\nnan", "crash.other", "a distribution is given parameters that are"),
]  # fmt: skip


@pytest.mark.parametrize(("type", "message", "id", "title"), CASES, ids=[f"{c[2]}-{c[3][:30]}" for c in CASES])
def test_known_words(type: str, message: str, id: str, title: str) -> None:
    run = Story().series().losses([1.0]).crash(type, message, module=events.FailingModule("fc", "Layer"))
    finding = told(run, id)
    assert finding.title.startswith(title), finding.title
    assert len(finding.advice) > 15 and finding.where is not None
    assert run.ids() == [id]


def test_the_package_that_is_called_otherwise() -> None:
    for module, package in {"cv2": "opencv-python", "sklearn.svm": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml",
                            "some_thing": "some-thing", "einops": "einops"}.items():  # fmt: skip
        run = Story().crash("ModuleNotFoundError", f"No module named '{module.partition('.')[0]}'")
        assert f"pip install {package} " in told(run, "crash.import").advice


WORKER = """Caught ValueError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/torch/utils/data/_utils/worker.py", line 349, in _worker_loop
    data = fetcher.fetch(index)  # type: ignore[possibly-undefined]
           ^^^^^^^^^^^^^^^^^^^^
  File "/home/me/project/data.py", line 17, in __getitem__
    return self.table.reshape(3, 5)[i]
           ~~~~~~~~~~^^^^^^^^^^^^^^
ValueError: cannot reshape array of size 16 into shape (3,5)
"""
SPAWNED = """

-- Process 1 terminated with the following error:
Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/torch/multiprocessing/spawn.py", line 90, in _wrap
    fn(i, *args)
  File "/home/me/project/train.py", line 30, in main
    loss = model(x)
  File "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x5 and 4x3)
"""


def test_a_workers_own_exception_is_what_is_told() -> None:
    finding = told(Story().crash("ValueError", WORKER, phase="data"), "crash.other")
    assert finding.title == (
        "ValueError: cannot reshape array of size 16 into shape (3,5) (in DataLoader worker process 0)"
    )
    assert finding.where is not None and (finding.where.file, finding.where.line) == ("/home/me/project/data.py", 17)


def test_a_spawned_processs_own_exception_is_what_is_told() -> None:
    run = Story().crash("torch.multiprocessing.spawn.ProcessRaisedException", SPAWNED)
    finding = told(run, "crash.shape")
    assert finding.title == "a 2×5 matrix cannot be multiplied by a 4×3 one (in process 1)"
    assert finding.where is not None and (finding.where.file, finding.where.line) == ("/home/me/project/train.py", 30)


IN_PLACE = (
    "one of the variables needed for gradient computation has been modified by an inplace operation: "
    "[torch.FloatTensor [5, 2]], which is output 0 of {op}, is at version 2; expected version 1 instead."
)


def test_a_weight_that_a_step_changed_before_its_backward() -> None:
    run = Story().model({"a.weight": [5, 3], "b.weight": [2, 5]}).crash(RUNTIME, IN_PLACE.format(op="AsStrided"))
    finding = told(run, "crash.autograd")
    assert finding.title.startswith("b.weight (5×2) was changed between the forward and backward()")
    assert "step()" in finding.advice


def test_an_activation_that_was_overwritten() -> None:
    run = Story().model({"b.weight": [2, 5]}).crash(RUNTIME, IN_PLACE.format(op="Sigmoid"))
    assert "the output of Sigmoid, was overwritten in place" in told(run, "crash.autograd").title
    run = Story().crash(RUNTIME, IN_PLACE.format(op="torch::autograd::CopySlices"))
    assert "indexed assignment" in told(run, "crash.autograd").title


def test_the_variable_to_convert_is_called_as_in_the_script() -> None:
    frames = [
        events.Frame(at(12, "loss = F.cross_entropy(out, labels)"), True, [named("out", [8, 3]), named("labels", [8])]),
        events.Frame(events.Where("/lib/torch/nn/functional.py", 1, "cross_entropy"), False,
                     [named("input", [8, 3]), named("target", [8])]),
    ]  # fmt: skip
    run = Story().crash(RUNTIME, "expected target dtype to be Long or Byte, but got Float", frames=frames)
    finding = told(run, "crash.dtype")
    assert finding.advice.startswith("labels = labels.long()") and "(8,)" in finding.title


def test_two_devices_are_told_with_their_tensors() -> None:
    module = events.FailingModule(
        "fc", "Linear", parameters=[named("weight", [4, 8], device="cuda:0")], inputs=[named("input", [2, 8])]
    )
    message = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
    finding = told(Story().crash(RUNTIME, message, module=module), "crash.device")
    assert finding.title == "fc meets tensors of two devices: input on cpu; weight on cuda:0"
    assert "x = x.to(device)" in finding.advice


def test_one_enormous_tensor_is_no_matter_of_the_batch() -> None:
    message = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 36000000000000 bytes."
    finding = told(Story().model({"w": [10, 10]}).crash(RUNTIME, message), "crash.oom")
    assert "broadcast" in finding.advice


def test_savings_are_ordered_by_what_they_save() -> None:
    run = Story().model({"w": [4096, 4096]}).optimizer()
    run.add(events.Activations(START, 0, [events.Activation("a", "ReLU", [[8, 4]], [[512, 1024, 1024]])]))
    run.crash("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB.", phase="forward")
    advice = told(run, "crash.oom").advice
    assert advice.index("checkpointing") < advice.index("half the batch") < advice.index("8-bit")
    assert "saves about 1.20 GiB" in advice


def assert_on_gpu(**batch: float) -> str:
    run = Story().model({"embed.weight": [100, 8]})
    row = named("tokens", [4, 9], "int64", integers=True, **batch)
    from dlmon_probes.events_machine import LastBatch

    run.add(LastBatch(START, 0, 0, [row]))
    return told(run.crash("torch.AcceleratorError", "CUDA error: device-side assert triggered"), "crash.index").title


def test_an_index_that_only_the_gpu_saw() -> None:
    assert assert_on_gpu(min=0, max=120) == "tokens goes from 0 to 120, embed.weight has 100 rows"
    assert assert_on_gpu(min=0, max=99).startswith("the GPU stopped at an index out of range")


def test_a_label_that_only_the_gpu_saw() -> None:
    from dlmon_probes.events_machine import LastBatch

    facts = events.LossFacts(op="NllLossBackward0", classes=5, labels={"0": 3, "4": 1}, reduction=1)
    for highest, title in ((5.0, "label 5 in [1] is outside the 5 classes (0 … 4)"), (4.0, "the GPU stopped at")):
        run = Story().series().graph([("NllLossBackward0", [], {})], value=1.6, losses=[facts])
        run.add(LastBatch(START, 9, 0, [named("[1]", [16], "int64", integers=True, min=0.0, max=highest)]))
        run.crash("torch.AcceleratorError", "CUDA error: device-side assert triggered", phase="backward")
        assert told(run, "crash.index").title.startswith(title)


def test_a_terminal_that_was_closed() -> None:
    finding = told(Story().series().losses([1.0]).exit(129, "SIGHUP"), "crash.killed")
    assert "terminal was closed" in finding.title
