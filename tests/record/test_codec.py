from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.record.codec import Decoder, clean, encode_event
from dlmon_probes import events
from dlmon_probes.kinds import KINDS
from tests.builders import named

STEPS = events.Steps(
    t=2.0, first=3, at=[1.0, 2.0], dt=[None, 0.5], wait=[0.0], lr=[0.1], micro=[1], samples=[None],
    loss={"0": [math.nan, math.inf]}, grad_norm=[-math.inf],
)  # fmt: skip


def test_values_that_are_not_finite_come_back() -> None:
    line = encode_event(STEPS)
    assert line.startswith(b'{"k":"steps",') and line.endswith(b"\n") and b"NaN" not in line
    event = Decoder().decode(line)
    assert (
        math.isnan(event.loss["0"][0]) and event.loss["0"][1] == math.inf and event.grad_norm == [-math.inf, -math.inf]
    )
    assert (event.first, event.dt) == (3, [None, 0.5])


def test_a_value_that_stands_for_all_rows_is_spread_over_them() -> None:
    event = Decoder().decode(encode_event(STEPS))
    assert (event.wait, event.lr, event.micro, event.samples) == ([0.0, 0.0], [0.1, 0.1], [1, 1], [None, None])


def test_nested_events_round_trip() -> None:
    event = events.Crash(
        t=1.0, step=2, type="RuntimeError", message="tab\tand\nline", phase="forward",
        frames=[events.Frame(events.Where("a.py", 3), True, [named("x", [2, 3])])],
        module=events.FailingModule("fc1", "Linear"),
    )  # fmt: skip
    assert Decoder().decode(encode_event(event)) == event


@pytest.mark.parametrize("cls", list(KINDS.values()), ids=list(KINDS))
def test_every_kind_has_a_decoder_that_survives_an_empty_object(cls: type) -> None:
    decoder = Decoder()
    assert decoder.decode(json.dumps({"k": cls.kind}).encode()) is None
    assert decoder.corrupt == 1


def test_kind_is_found_wherever_the_writer_put_it() -> None:
    assert Decoder().decode(b'{"t": 1, "step": 4, "k": "end"}') == events.End(t=1.0, step=4)


def test_later_kinds_and_fields_are_skipped() -> None:
    decoder = Decoder()
    assert decoder.decode(b'{"k":"hologram","t":1}') is None
    assert decoder.decode(b'{"k":"end","t":1,"step":4,"mood":{"a":[1]}}') == events.End(t=1.0, step=4)
    assert decoder.corrupt == 0


@pytest.mark.parametrize(
    "line",
    [
        b'{"k":"end","t":1', b"\x00\x00\x00", b'{"k":"end","t":"nan","step":1}', b'{"k":"end","t":1e999,"step":1}',
        b"[]", b"{}", b'{"k":5}', b'{"k":"', b"[" * 50_000, b'{"k":"end","t":1,"step":"many"}',
    ],
)  # fmt: skip
def test_corrupt_lines_are_counted_not_raised(line: bytes) -> None:
    decoder = Decoder()
    assert decoder.decode(line) is None
    assert decoder.corrupt == 1


def test_blank_lines_are_nothing() -> None:
    decoder = Decoder()
    assert decoder.decode(b"  \r\n") is None and decoder.corrupt == 0


def test_file_names_that_are_not_unicode_do_not_cost_the_event() -> None:
    hello = events.Hello(t=1.0, schema=1, role="rank", pid=1, host="h", argv=["caf\udce9.py", "😀"], main="\ud800")
    back = Decoder().decode(encode_event(hello))
    assert back is not None and back.argv == ["caf\ufffd.py", "😀"] and back.main == "\ufffd"
    raw = b'{"k":"phase","t":1,"name":"caf\xe9"}'
    assert Decoder().decode(raw).name == "caf\ufffd"


def test_escape_sequences_do_not_come_out_of_a_log() -> None:
    text = "a\x1b[31mb\x07\x9b5m\x7f\r\b\x00c\\u001b"
    for ascii_only in (True, False):
        line = json.dumps({"k": "phase", "t": 1, "name": text}, ensure_ascii=ascii_only).encode()
        name = Decoder().decode(line).name
        assert name == "a [31mb  5m    c\\u001b"


@given(st.text(), st.booleans())
def test_no_control_character_survives(text: str, ascii_only: bool) -> None:
    line = json.dumps({"k": "phase", "t": 1, "name": text}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    name = Decoder().decode(line).name
    assert name.replace(" ", "").startswith("".join(itertools.takewhile(str.isalnum, text)))
    assert not any((c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f" for c in name)


@given(st.binary(max_size=300))
def test_no_bytes_raise(line: bytes) -> None:
    Decoder().decode(line)
    Decoder().decode(b'{"k":"phase","t":1,"name":"' + line)


def test_clean_leaves_plain_lines_alone() -> None:
    line = encode_event(STEPS)
    assert clean(line) is line
