"""What a data set holds in memory: its labels in order, and whether its arrays change from pass to pass.

Only attributes that are plain tensors and arrays are read, and only where no worker has a copy of its own.
"""

from __future__ import annotations

import time
from collections import Counter
from time import perf_counter
from typing import Any, Optional

from dlmon_probes.events_data import DatasetChange, DatasetLabels
from dlmon_probes.training import batch_rows, data, tensors
from dlmon_probes.training.agent import Agent
from dlmon_probes.training.loop import Loop

NAME = "dataset state"
DEEPEST = 3  # Subset of Subset of …
MOST_ARRAYS = 4
MOST_PASSES = 16  # of each loader
MOST_LOADERS = 8
MOST_LABELS = 65_536
MOST_ELEMENTS = 1_024
LABEL_NAMES = ("targets", "labels", "y", "Y")


def _own(thing: Any) -> dict[str, Any]:
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return own if type(own) is dict else {}


def _is_subset(dataset: Any) -> bool:
    return type(dataset) is tensors.torch_module().utils.data.Subset


def arrays_of(dataset: Any) -> list[tuple[str, Any]]:
    """(path, tensor or NumPy array) of the floating arrays and bytes that a data set holds."""
    for _ in range(DEEPEST):
        if not _is_subset(dataset):
            break
        dataset = _own(dataset).get("dataset")
    found: list[tuple[str, Any]] = []
    for name, value in list(_own(dataset).items()):
        items = list(value)[:MOST_ARRAYS] if type(value) in (list, tuple) and len(value) <= MOST_ARRAYS else [value]
        for i, item in enumerate(items):
            if _is_array(item):
                found.append((f"{name}[{i}]" if len(items) > 1 else name, item))
    return found[:MOST_ARRAYS]


def _is_array(item: Any) -> bool:
    torch = tensors.torch_module()
    if type(item) is torch.Tensor:
        return bool(
            item.device.type == "cpu" and item.numel() > 1 and (item.is_floating_point() or item.element_size() == 1)
        )
    kind = type(item)
    array = kind.__name__ == "ndarray" and kind.__module__ == "numpy"
    return array and bool(item.dtype.kind == "f" and item.size > 1)


def sample_of(array: Any) -> Optional[list[float]]:
    """The same at most 1,024 elements each time."""
    torch = tensors.torch_module()
    if type(array) is torch.Tensor:
        if tensors.local(array) is None:
            return None
        x = tensors.subsample(array.detach(), MOST_ELEMENTS)
        return [float(value) for value in x.tolist()]
    flat = array.reshape(-1)  # a view where the array is contiguous; else it would be a copy of all of it
    if not array.flags["C_CONTIGUOUS"]:
        return None
    return [float(value) for value in flat[:: max(1, -(-array.size // MOST_ELEMENTS))].tolist()]


class _Held:
    """One array of a data set as it stood when the last pass began."""

    def __init__(self, values: list[float]) -> None:
        self.values = values
        self.changed = [False] * len(values)

    def compare(self, values: list[float]) -> tuple[float, float]:
        """(share changed now, share changed both now and the time before). Takes the values over."""
        now = [one != other and one == one for one, other in zip(values, self.values)]
        again = [one and other for one, other in zip(now, self.changed)]
        self.values, self.changed = values, now
        count = max(len(now), 1)
        return sum(now) / count, sum(again) / count


class DatasetProbe:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._held: dict[tuple[int, str], _Held] = {}
        self._passes: Counter[int] = Counter()
        self._width: dict[int, int] = {}  # elements of a sample, as the loader gives it
        self._waiting: dict[int, Any] = {}  # loaders whose first batch is to agree with their labels

    def begun(self, loader: Any, number: int, _iterator: int) -> None:
        own = _own(loader)
        if number >= MOST_LOADERS or own.get("num_workers"):
            return
        self._passes[number] += 1
        if self._passes[number] > MOST_PASSES:
            return
        began = perf_counter()
        dataset = own.get("dataset")
        with tensors.immune():
            for path, array in arrays_of(dataset):
                values = sample_of(array) if self._is_input(number, array) else None
                if values is not None:
                    self._compare(number, path, values)
        if self._passes[number] == 1 and type(own.get("sampler")).__name__ == "SequentialSampler":
            labels = labels_in(dataset)
            if labels is not None:
                self._waiting[number] = labels
        self._agent.governor.startup += perf_counter() - began

    def _is_input(self, number: int, array: Any) -> bool:
        """Targets and weights of samples may change on purpose; their rows have another width than the input's."""
        width, rows = self._width.get(number), int(array.shape[0]) if len(array.shape) else 0
        size = int(array.numel()) if hasattr(array, "numel") else int(array.size)
        return width is None or (rows > 0 and size == rows * width)

    def _compare(self, number: int, path: str, values: list[float]) -> None:
        key = (number, path)
        held = self._held.get(key)
        if held is None or len(held.values) != len(values):
            self._held[key] = _Held(values)
            return
        changed, again = held.compare(values)
        if changed:
            mean = sum(values) / len(values)
            std = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
            self._agent.emit(
                DatasetChange(
                    time.time(), self._agent.step, number, self._passes[number], path, changed, again, mean, std
                )
            )

    def pulled(self, loader: int, _iterator: int, _rows: int, batch: Any, _grad: bool) -> None:
        if loader in self._width:
            return
        with tensors.immune():
            roles = batch_rows.Roles(batch)
            x, leaf = roles.input, roles.label
            self._width[loader] = int(x.tensor[:1].numel()) if x is not None else 0
            first = batch_rows.labels_of(leaf.tensor) if leaf is not None else None
        labels = self._waiting.pop(loader, None)
        if first and labels and labels[: len(first)] == first:
            changes = sum(one != other for one, other in zip(labels, labels[1:]))
            counts = {str(label): count for label, count in Counter(labels).most_common(1_000)}
            self._agent.emit(DatasetLabels(time.time(), loader, len(labels), changes, counts))


def labels_in(dataset: Any) -> Optional[list[int]]:
    """The first labels of a data set in its own order, where it is known where they are."""
    torch = tensors.torch_module()
    if _is_subset(dataset):
        own = _own(dataset)
        inner, indices = labels_in(own.get("dataset")), own.get("indices")
        if inner is None or not isinstance(indices, (list, range, tuple)):
            return None
        chosen = list(indices)[:MOST_LABELS]
        if not all(type(i) is int and 0 <= i < len(inner) for i in chosen):
            return None
        return [inner[i] for i in chosen]
    own = _own(dataset)
    if type(dataset) is torch.utils.data.TensorDataset:
        held = own.get("tensors") or ()
        return _whole(held[-1]) if held else None
    for name in LABEL_NAMES:
        if name in own:
            return _whole(own[name])
    return None


def _whole(values: Any) -> Optional[list[int]]:
    torch = tensors.torch_module()
    if type(values) is torch.Tensor:
        if values.dim() != 1 or values.is_floating_point() or values.device.type != "cpu":
            return None
        with tensors.immune():
            found: list[int] = values[:MOST_LABELS].tolist()
            return found
    if type(values).__name__ == "ndarray" and values.ndim == 1 and values.dtype.kind in "iu":
        return [int(value) for value in values[:MOST_LABELS].tolist()]
    if type(values) is list and all(type(value) is int for value in values[:MOST_LABELS]):
        return values[:MOST_LABELS]
    return None


def install(agent: Agent, _loop: Loop) -> None:
    loaders = data.probe_of(agent)
    if loaders is None:
        return
    probe = DatasetProbe(agent)
    agent.guard(NAME, loaders.on_pass, probe.begun)
    agent.guard(NAME, loaders.on_pull, probe.pulled)
