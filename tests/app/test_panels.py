"""What each panel says, without an app."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlmon.app.chart_view import ChartView
from dlmon.app.content import Content
from dlmon.app.finding_text import full_lines, strip_lines
from dlmon.app.glyphs import ASCII, UNICODE
from dlmon.app.lines import text_of
from dlmon.app.panels.bars import footer_line, tab_at, tab_line, timeline
from dlmon.app.panels.findings import findings_content
from dlmon.app.panels.header import header_lines, script_of
from dlmon.app.panels.loss import loss_content, loss_strip, read_out
from dlmon.app.panels.machine import machine_content
from dlmon.app.panels.output import output_content
from dlmon.app.panels.progress import progress_content, shown_bars
from dlmon.app.panels.stages import stages_content
from dlmon.app.source import FindingAt, Frame, OutputLines, Playback
from dlmon.checks.finding import Judgement
from dlmon.state import snapshot as state
from dlmon.state.snapshot import BarView, RankView, RunSnapshot
from dlmon_probes import events
from tests.app import frames


def said(content: Content) -> str:
    return "\n".join(text_of(line).rstrip() for line in content.lines)


def header(snapshot: RunSnapshot, room: int = 160, height: int = 1) -> str:
    return "\n".join(text_of(line).rstrip() for line in header_lines(frames.frame(snapshot), "run", room, height))


# ---- the top line


def test_the_sentence() -> None:
    assert header(frames.running(world=2, ranks=(RankView(0, 1, "a", 5, "training", 0.0),) * 2)) == (
        " stripes_cnn.py   training   epoch 3/10   step 1,284/4,000   212 steps/s   6 min 12 s, about 13 min left"
        + " " * 48 + "2 ranks"
    )  # fmt: skip


@pytest.mark.parametrize("room", [80, 90, 100, 130])
def test_no_row_of_the_sentence_is_longer_than_the_screen(room: int) -> None:
    for height in (1, 2):
        assert all(len(row) <= room for row in header(frames.running(), room, height).splitlines())
    assert "step 1,284/4,000" in header(frames.running(), room, 2)


def test_how_it_ended() -> None:
    assert "failed after 3.2 s, exit code 1" in header(frames.dead())
    finished = frames.running(state=state.FINISHED, exit_code=0)
    assert "finished in 6 min 12 s" in header(finished)
    assert "left" not in header(finished)
    killed = frames.running(state=state.STOPPED, detail="by SIGTERM", exit_code=143, signal="SIGTERM")
    assert "stopped after 6 min 12 s, by SIGTERM" in header(killed)
    stalled = frames.running(state=state.STALLED, detail="no step for 45 s, usually 5 ms")
    assert "stalled, no step for 45 s, usually 5 ms" in header(stalled)


def test_a_question_that_the_training_waits_at_is_told_with_the_key_that_answers() -> None:
    preparing = frames.running(state=state.PREPARING, step=0)
    asked = OutputLines(("loading",), 1, "overwrite runs/a? [y/N] ", preparing.now - 4)

    def shown(snapshot: RunSnapshot, output: OutputLines) -> str:
        return text_of(header_lines(replace(frames.frame(snapshot), output=output), "run", 160, 1)[0])

    assert "waits at “overwrite runs/a? [y/N]”: i answers" in shown(preparing, asked)
    assert "waits" not in shown(preparing, replace(asked, since=preparing.now - 1)), "it may only be printing"
    assert "waits" not in shown(preparing, replace(asked, partial="loading 12 %")), "no question"
    assert "waits" not in shown(frames.running(state=state.FINISHED, exit_code=0), asked)


def test_findings_are_counted_when_there_are_any() -> None:
    shown = text_of(header_lines(frames.frame(found=frames.findings()), "run", 160, 1)[0])
    assert shown.rstrip().endswith("3 findings")
    assert "finding" not in header(frames.running())


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("python", "/home/me/train.py", "--lr", "1"), "train.py"),
        (("torchrun", "--nproc-per-node", "2", "a/b.py"), "b.py"),
        (("-m", "pkg.train", "x"), "pkg.train"),
        (("accelerate", "launch"), "accelerate"),
        ((), ""),
    ],
)
def test_what_the_run_is_called(command: tuple[str, ...], name: str) -> None:
    assert script_of(frames.running(command=command)) == name


# ---- findings


def strip(found: tuple, room: int = 80, most: int = 3) -> list[str]:  # type: ignore[type-arg]
    frame = frames.frame(found=found)
    assert frame.view is not None
    lines = strip_lines(frame.view.judgement, frame.view.snapshot, room, most, UNICODE)
    return [text_of(line).rstrip() for line in lines]


def test_silence_is_one_quiet_line_that_says_what_was_looked_at() -> None:
    assert strip(()) == [" ✓ no findings after 1,284 steps, 2 checks waiting for facts"]


def test_the_worst_finding_is_told_in_full_at_80_columns() -> None:
    told = strip(frames.findings())
    assert told[0] == " ✗ gradients pile up: nothing cleared them before the backwards of 5 of 5"
    assert told[1].startswith("   sampled steps")
    assert told[1].endswith("stripes_cnn.py:88  since step 3")
    assert told[2].startswith(" ! 2 more: features.3 learns")
    assert all(len(row) <= 80 for row in told)


def test_each_finding_has_a_row_where_there_is_room() -> None:
    told = strip(frames.findings(), 160, 3)
    assert [row[1] for row in told] == ["✗", "!", "·"]


def test_what_is_over_is_not_in_the_strip_but_in_the_panel() -> None:
    over = tuple(replace(finding, resolved=True) for finding in frames.findings())
    assert strip(over)[0].startswith(" ✓ no findings")
    content = findings_content(frames.frame(found=over), 100, 30, UNICODE, selected=0, first=0)
    assert "(over by now)" in said(content)


def test_a_dead_run_says_what_broke_where_and_what_to_do() -> None:
    told = said(findings_content(frames.dead_frame(), 76, 20, UNICODE, selected=0, first=0))
    for words in (
        "fc1 expects 400 features and gets 512", "stripes_cnn.py:41", "x = self.fc1(x.flatten(1))",
        "Set in_features of fc1 to 512", "layer  fc1: Linear(in_features=400, out_features=10)", "gets 32×512 float32",
        "has  10×400 float32", "mat1 and mat2 shapes cannot be multiplied",
    ):  # fmt: skip
        assert words in told


def test_a_crash_without_a_finding_is_told_all_the_same() -> None:
    frame = frames.dead_frame()
    assert frame.view is not None
    silent = Frame(replace(frame.view, judgement=Judgement()), frame.output)
    assert "fc1: Linear" in said(findings_content(silent, 76, 20, UNICODE, selected=0, first=0))


def test_checks_that_wait_say_for_what() -> None:
    told = said(findings_content(frames.frame(), 80, 20, UNICODE, selected=0, first=0))
    assert "grads.exploding  needs 20 sampled steps" in told


def test_evidence_in_words() -> None:
    told = "\n".join(text_of(line) for line in full_lines(frames.findings()[0], 80, UNICODE))
    assert "loop.no_zero_grad" in told
    assert "/home/me/stripes_cnn.py:88" in told
    assert "0.100, 0.200, 0.300" in told


def test_a_chosen_finding_stays_in_sight() -> None:
    content = findings_content(frames.frame(found=frames.findings()), 80, 5, UNICODE, selected=2, first=0)
    assert "evaluation records gradients" in said(content)


# ---- loss


def test_the_legend_names_the_line_of_the_source() -> None:
    content = loss_content(frames.frame(), ChartView(), 100, 16, UNICODE)
    assert "loss 0.0721 (stripes_cnn.py:88)" in said(content)
    assert "● val loss 0.0832 (stripes_cnn.py:120)" in said(content)


def test_a_narrow_legend_drops_the_lines_before_it_takes_a_second_row() -> None:
    first = said(loss_content(frames.frame(), ChartView(), 60, 16, UNICODE)).splitlines()[0]
    assert first == "── loss 0.0721   ● val loss 0.0832"


def test_the_cursor_reads_out_raw_values_and_their_range() -> None:
    content = loss_content(frames.frame(), ChartView(cursor=1200), 100, 16, UNICODE)
    assert content.note.startswith("step 1,200: loss ")
    assert "val loss 0.0832 at 1,200" in content.note


def test_the_cursor_over_thinned_values_tells_their_range() -> None:
    from dlmon.app.chart_view import Chart

    assert " to " in read_out(Chart("loss", [frames.series(9000)]), 100)


def test_it_says_what_it_waits_for() -> None:
    waiting = loss_content(frames.frame(frames.starting()), ChartView(), 76, 14, UNICODE, alone=True)
    assert "first loss not seen yet" in said(waiting)
    assert "first batch not seen yet" in said(waiting), "on a narrow screen the checklist fills the room"
    assert "ended before" in said(loss_content(frames.dead_frame(), ChartView(), 76, 14, UNICODE))


def test_not_a_number_is_told_by_name() -> None:
    broken = replace(frames.series(100), last=float("nan"))
    content = loss_content(frames.frame(frames.running(series=(broken,))), ChartView(), 100, 16, UNICODE)
    assert "loss NaN" in said(content)


def test_many_series_are_summed_up() -> None:
    many = tuple(frames.series(100, name=f"loss_{index}", seed=index) for index in range(12))
    content = loss_content(frames.frame(frames.running(series=many)), ChartView(), 76, 16, UNICODE)
    assert said(content).splitlines()[1].endswith("…")
    shown = text_of(loss_strip(frames.running(series=many), 100, UNICODE))
    assert "9 more series" in shown


# ---- machine


def test_a_gpu_with_this_runs_share() -> None:
    told = said(machine_content(frames.frame(), 76, 20, UNICODE))
    for words in ("87 % busy", "H200", "41.2 of 141 GiB   this run 40.9 GiB", "512 of 700 W", "64 °C", "1,980 MHz"):
        assert words in told
    assert "allocated 31.0   reserved 40.4   peak 38.7 GiB" in told


def test_throttling_is_told_in_words() -> None:
    hot = frames.machine()
    assert hot.host is not None
    host = replace(hot.host, gpus=[frames.gpu(throttle=["power cap", "too hot"])])
    told = said(machine_content(frames.frame(frames.running(machine=replace(hot, host=host))), 76, 20, UNICODE))
    assert "slowed down: power cap, too hot" in told


def test_what_a_driver_does_not_tell_is_not_shown_as_zero() -> None:
    bare = frames.machine()
    assert bare.host is not None
    gpu = frames.gpu(used=None, own=None, utilisation=None, power=None, temperature=None, sm_clock=None)
    host = replace(bare.host, gpus=[gpu])
    told = said(machine_content(frames.frame(frames.running(machine=replace(bare, host=host))), 76, 20, UNICODE))
    assert "– of 141 GiB" in told
    assert "0 %" not in told.splitlines()[0]


def test_without_a_gpu_one_line_says_so() -> None:
    told = said(machine_content(frames.frame(frames.running(gpus=0)), 76, 20, UNICODE)).splitlines()
    assert told[0] == "GPU     no NVIDIA GPU on this machine: the training runs on the CPU"
    assert any(row.startswith("CPU      34 % of 16 cores") for row in told)


def test_eight_gpus_take_a_row_each_where_there_is_little_room() -> None:
    told = said(machine_content(frames.frame(frames.running(gpus=8)), 76, 16, UNICODE)).splitlines()
    assert [row[:5] for row in told[:8]] == [f"GPU {index}" for index in range(8)]
    assert all(len(row) <= 76 for row in told)


def test_processes_that_do_not_fit_are_summed_up() -> None:
    told = said(machine_content(frames.frame(frames.running(gpus=0)), 76, 7, UNICODE)).splitlines()
    assert told[-1].strip().endswith("2 more processes")


# ---- stages, progress, output


def test_the_checklist_with_its_numbers() -> None:
    content = stages_content(frames.frame(), 76, 20, UNICODE)
    assert "✓ loss        first loss 1.096, expected ln 3 = 1.099" in said(content)
    assert content.note == "6 of 8 in order"
    assert "ok loss" in "\n".join(text_of(line) for line in stages_content(frames.frame(), 76, 20, ASCII).lines)


def test_what_dlmon_could_not_do_is_said() -> None:
    hurt = frames.running(notices=("probe activations switched itself off: KeyError",))
    assert "dlmon: probe activations switched itself off" in said(stages_content(frames.frame(hurt), 76, 20, UNICODE))


def test_bars_of_all_ranks() -> None:
    bars = tuple(BarView(rank, events.Bar(0.0, 1, "epoch 1", 10 * rank, 100, "it", 5.0)) for rank in (1, 0))
    ranks = tuple(RankView(rank, 40 + rank, "node1", 12, "training", frames.NOW - 30 * rank) for rank in (0, 1))
    told = said(progress_content(frames.frame(frames.running(bars=bars, world=2, ranks=ranks)), 100, 10, UNICODE))
    assert told.splitlines()[0].startswith("rank 0 epoch 1")
    assert told.splitlines()[1].startswith("rank 1 epoch 1")
    assert "about 20 s left" in told
    assert "silent for 30 s" in told


def test_a_bar_without_a_total_has_no_percentage() -> None:
    bars = (BarView(0, events.Bar(0.0, 1, "", 1234, None, "batch", 12.0)),)
    told = said(progress_content(frames.frame(frames.running(bars=bars)), 100, 10, UNICODE))
    assert "1,234 batch" in told
    assert "–" in told


def test_done_bars_make_room_for_moving_ones() -> None:
    done = BarView(0, events.Bar(0.0, 1, "epoch 1", 100, 100, elapsed=3.0, closed=True))
    moving = BarView(0, events.Bar(0.0, 2, "epoch 2", 3, 100))
    assert shown_bars([done, moving]) == [moving]
    assert shown_bars([done]) == [done]


def test_without_bars_it_tells_the_steps() -> None:
    told = said(progress_content(frames.frame(frames.running(bars=())), 100, 10, UNICODE))
    assert "1,284 of 4,000 steps" in told
    told = said(progress_content(frames.frame(frames.running(bars=(), total_steps=None)), 100, 10, UNICODE))
    assert "1,284 steps done   the script shows no progress bar" in told


def test_output_follows_the_end_and_can_be_held() -> None:
    output = frames.output(100)
    assert (
        said(output_content(output, 60, 3, bottom=None, needle="")).splitlines()[-1].startswith("epoch 25  batch 300")
    )
    held = output_content(output, 60, 3, bottom=49, needle="")
    assert said(held).splitlines()[-1] == output.lines[49]
    assert held.note == "50 lines below (end)"


def test_output_that_was_dropped_at_its_start_keeps_its_numbers() -> None:
    output = OutputLines(tuple(f"line {number}" for number in range(900, 1000)), 1000, "")
    assert said(output_content(output, 60, 2, bottom=950, needle="")).splitlines()[-1] == "line 950"


def test_search_marks_what_it_found() -> None:
    content = output_content(frames.output(40), 60, 4, bottom=None, needle="BATCH 300")
    roles = [span.role for span in content.lines[-1]]
    assert "match" in roles
    assert content.note.startswith("“BATCH 300” in 10 lines")


def test_a_partial_line_is_shown_while_following() -> None:
    output = OutputLines(("done",), 1, "loading 41 %")
    assert said(output_content(output, 60, 5, bottom=None, needle="")) == "done\nloading 41 %"


# ---- rows around the panels


def test_the_open_tab_is_in_brackets() -> None:
    shown = text_of(tab_line("machine", 80))
    assert "[3 machine]" in shown
    assert len(shown) == 80
    assert tab_at(shown.index("machine")) == "machine"
    assert tab_at(shown.index("findings")) == "findings"
    assert tab_at(79) is None


def test_the_footer_has_whole_keys_only() -> None:
    shown = text_of(footer_line([("?", "help"), ("q", "leave or stop"), ("space", "pause training")], 30))
    assert shown.rstrip() == " ? help  q leave or stop"


def test_the_timeline_marks_findings_and_the_moment() -> None:
    finding = FindingAt(75.0, frames.findings()[0])
    shown = text_of(timeline(Playback(50.0, 100.0, 2.0, True, None, (finding,)), 80, UNICODE))
    assert shown.startswith(" playing ×2.00  50 s ━")
    assert shown.index("●") < shown.index("!")
    assert shown.rstrip().endswith("1 min 40 s")
    assert "(42 % read)" in text_of(timeline(Playback(0, 0, 1, True, 0.42), 80, UNICODE))
