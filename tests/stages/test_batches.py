"""Batches kept and given out again: same structure, own memory, and a plain reason where it cannot be done."""

from __future__ import annotations

import io
import threading
import weakref
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from dlmon_probes.stages.data import batches

Pair = namedtuple("Pair", "image label")


@dataclass(frozen=True)
class Sample:
    image: torch.Tensor
    name: str


@dataclass
class Slotted:
    __slots__ = ("x",)
    x: torch.Tensor


class Graph:
    def __init__(self) -> None:
        self.x = torch.randn(3, 2)
        self.itself = self
        self.owner = weakref.ref(self)

    def __setattr__(self, name: str, value: Any) -> None:
        assert "x" not in self.__dict__ or name != "x", "no code of the user's runs"
        super().__setattr__(name, value)


class Boxes(torch.Tensor):
    format: str


class Encoding(UserDict):
    def __init__(self, data: dict[str, Any], extra: str) -> None:
        super().__init__(data)
        self.extra = extra


def boxes() -> Boxes:
    made: Boxes = torch.rand(2, 4).as_subclass(Boxes)  # type: ignore[assignment]
    made.format = "xyxy"
    return made


BATCHES: dict[str, Any] = {
    "tensor": torch.randn(4, 3),
    "tuple": (torch.randn(2), "name", None, 3.5),
    "list in dict": {"images": [torch.randn(2), torch.randn(3)], "ids": ["a", "b"]},
    "namedtuple": Pair(torch.randn(2, 2), torch.tensor([0, 1])),
    "dataclass": Sample(torch.randn(2), "x"),
    "slots": Slotted(torch.randn(2)),
    "object": Graph(),
    "ordered": OrderedDict(x=torch.randn(2)),
    "encoding": Encoding({"input_ids": torch.tensor([[1, 2]])}, "kept"),
    "array": {"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"])},
    "sparse": torch.eye(3).to_sparse(),
    "subclass": boxes(),
    "transposed": torch.randn(3, 4).t(),
    "half": torch.randn(3).half(),
    "complex": torch.randn(3, dtype=torch.complex64),
    "bool": torch.rand(5) > 0.5,
    "empty": [torch.empty(0, 3), torch.ones(1)],
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_copy_is_the_same_and_shares_nothing(name: str) -> None:
    real = BATCHES[name]
    frozen = batches.freeze(real)
    copy = frozen.copy()
    assert type(copy) is type(real)
    assert batches.digest(copy) == batches.digest(real) == frozen.digest()
    ours, theirs = batches.leaves_of(copy), batches.leaves_of(real)
    assert [leaf.path for leaf in ours] == [leaf.path for leaf in theirs]
    for one, other in zip(ours, theirs):
        assert (one.tensor.dtype, one.tensor.layout) == (other.tensor.dtype, other.tensor.layout)
        if one.tensor.layout is torch.strided and one.tensor.numel():
            assert one.tensor.stride() == other.tensor.stride()
            assert one.tensor.data_ptr() != other.tensor.data_ptr()
    changeable = [leaf.tensor for leaf in ours if leaf.tensor.layout is torch.strided and leaf.tensor.numel()]
    if not changeable:
        return
    changeable[0].copy_(~changeable[0] if changeable[0].dtype is torch.bool else changeable[0] + 1)
    assert batches.digest(copy) != frozen.digest()
    assert frozen.digest() == batches.digest(real) == batches.digest(frozen.copy())


def test_details_survive() -> None:
    graph = batches.freeze(BATCHES["object"]).copy()
    assert graph.itself is graph
    assert graph.owner() is graph
    assert batches.freeze(BATCHES["subclass"]).copy().format == "xyxy"
    encoding = batches.freeze(BATCHES["encoding"]).copy()
    assert encoding.extra == "kept"
    assert [leaf.path for leaf in batches.leaves_of(encoding)] == ["['input_ids']"]
    default = batches.freeze(defaultdict(list, x=[torch.ones(1)])).copy()
    assert default["new"] == []
    shared = torch.randn(3)
    one, other = batches.freeze((shared, shared)).copy()
    assert one is other
    weight = batches.freeze([torch.ones(2, requires_grad=True)]).copy()[0]
    assert weight.requires_grad and weight.is_leaf


def test_packed_sequences_can_be_unpacked_again() -> None:
    packed = pack_sequence([torch.randn(2, 3), torch.randn(4, 3)], enforce_sorted=False)
    copy = batches.freeze(packed).copy()
    assert type(copy) is PackedSequence
    assert torch.equal(pad_packed_sequence(copy)[0], pad_packed_sequence(packed)[0])


def test_leaves_are_replaced_by_path() -> None:
    real = {"pair": Pair(torch.zeros(2), torch.tensor([0, 1])), "array": np.zeros(3, dtype=np.float64), "b": boxes()}
    made = batches.rebuild(
        real, {"['pair'].image": torch.ones(2), "['array']": torch.ones(3), "['b']": torch.zeros(2, 4)}
    )
    assert type(made["pair"]) is Pair
    assert made["pair"].image.tolist() == [1, 1]
    assert made["pair"].label is real["pair"].label
    assert isinstance(made["array"], np.ndarray) and made["array"].dtype == np.float64 and made["array"].sum() == 3
    assert type(made["b"]) is Boxes and made["b"].format == "xyxy"
    assert real["pair"].image.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        ((i for i in range(3)), "gives its items only once"),
        (iter([1]), "gives its items only once"),
        (io.StringIO("x"), "an open file"),
        (threading.Lock(), "cannot be copied"),
    ],
)
def test_what_can_be_had_only_once_is_refused_with_its_place(thing: Any, reason: str) -> None:
    with pytest.raises(batches.NotCacheable, match=reason) as refused:
        batches.freeze({"x": torch.ones(1), "rest": [0, thing]})
    assert "['rest'][1]" in str(refused.value)


def test_a_batch_without_tensors_is_refused() -> None:
    with pytest.raises(batches.NotCacheable, match="a dict, holds no tensor"):
        batches.freeze({"names": ["a", "b"]})


def test_digests_tell_order_shape_type_and_value_apart() -> None:
    x = torch.arange(6.0)
    others = [x.flip(0), x.reshape(2, 3), x.double(), x + 1e-6, -x, torch.zeros(6), torch.zeros(7), x.int()]
    digests = [batches.digest(thing) for thing in [x, *others]]
    assert len(set(digests)) == len(digests)
    assert batches.digest(x.clone()) == digests[0]


def test_modes_of_the_script_do_not_reach_us() -> None:
    real = {"x": torch.randn(3)}
    with torch.device("meta"):
        copy = batches.freeze(real).copy()
    assert copy["x"].device.type == "cpu"
    assert torch.equal(copy["x"], real["x"])
