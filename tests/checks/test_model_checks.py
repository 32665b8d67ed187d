from __future__ import annotations

from typing import Any

from dlmon_probes import events
from dlmon_probes.events_model import EqualRows, GraphSize, History, Origin, Predictions, Term, Terms, UnitRow, Units
from tests.builders import START, Story, at, named, told
from tests.checks.test_loss_form import story


def units(op: str = "ReluBackward0", looks: int = 8, step: int = 40, **facts: Any) -> Units:
    defaults: dict[str, Any] = {"number": 0, "after": "fc1", "units": 64, "rows": 32 * looks, "looks": looks}
    return Units(START, step, 0, [UnitRow(op=op, **{**defaults, **facts})])


def test_dead_units() -> None:
    assert told(story().add(units(dead=62)), "model.dead_units").severity == "warning"
    assert told(story().add(units(dead=64, looks=5, step=20)), "model.dead_units").severity == "error"
    for healthy in (units(dead=40), units(dead=62, looks=4), units(dead=64, looks=8, step=10)):
        assert "model.dead_units" not in story().losses([1.0]).add(healthy).ids()


def test_units_under_a_sparsity_penalty_may_be_silent() -> None:
    run = story().graph([("AddBackward0", [], {})], ops={"AbsBackward0": 1}).add(units(dead=62))
    assert "model.dead_units" not in run.ids()


def saturation(**facts: Any) -> Story:
    run = story()
    for step in range(6):
        run.add(units("TanhBackward0", looks=step + 1, step=step, **facts))
    return run


def test_saturated() -> None:
    told(saturation(saturated=0.97), "model.saturated")
    assert saturation(saturated=0.6).ids() == []
    assert saturation(saturated=1.0, last=True).ids() == []  # a classifier that is sure
    assert saturation(saturated=1.0, gate=True).ids() == []


def outputs(spread: float, of_target: float = 1.0) -> Story:
    run = story().sample(0)
    for step in (20, 30, 40):
        run.add(Predictions(START, step, 0, "NllLossBackward0", 32, 3, spread, of_target))
    return run


def test_collapse() -> None:
    told(outputs(1e-9), "model.collapse")
    assert "model.collapse" not in outputs(1e-3).ids()
    assert "model.collapse" not in outputs(1e-9, of_target=0.0).ids()


def equal(first: list[int], later: list[int], update: float = 1e-3) -> Story:
    run = Story().model({"fc.weight": [4, 8], "head.weight": [3, 4]}).optimizer().series()
    for step in range(6):
        run.sample(step, update=update)
    return run.add(EqualRows(START, 0, first, 2), EqualRows(START, 5, later, 2))


def test_rows_that_start_and_stay_equal() -> None:
    assert "fc.weight" in told(equal([0], [0]), "model.symmetric_init").title
    assert "model.symmetric_init" not in equal([1], []).ids()  # a zero-initialised head comes apart at once
    assert "model.symmetric_init" not in equal([0], [0], update=0.0).ids()  # learning rate still 0


def test_running_sums_and_growing_graphs() -> None:
    graph = [("AddBackward0", [], {})]
    run = story().graph(graph)
    for step in (5, 10, 20, 40):
        run.add(History(START, step, "total", step, at(21)))
    assert told(run, "graph.retained").evidence["graphs"] == 40
    bounded = story().graph(graph)
    for step in (100, 200, 300, 400):
        bounded.add(History(START, step, "window", 16, at(21)))
    assert bounded.ids() == []

    def sizes(*nodes: int) -> Story:
        return story().graph(graph).add(*(GraphSize(START, 10 * i, 0, n) for i, n in enumerate(nodes)))

    assert "graph.retained" in sizes(20, 120, 220, 320).ids()
    assert sizes(20, 60, 30, 55).ids() == []  # sequences of different lengths


def terms(*rows: tuple[float, float], factor: float = 1.0) -> Story:
    run = story()
    for step, (one, other) in enumerate(rows):
        run.add(Terms(START, step, 0, [Term("reconstruction", one), Term("kl", other, factor)]))
    return run


def test_a_term_that_drowns_the_other() -> None:
    told(terms((1, 900), (1, 300), (1, 60), (1, 9), (0.9, 2)), "loss.term_imbalance")
    assert terms((1, 9), (0.8, 8), (0.6, 7), (0.5, 6), (0.4, 5)).ids() == []
    assert terms(*[(1, 0.5)] * 5, factor=1e-4).ids() == []  # small on purpose


def test_the_graph_is_cut_behind_the_first_layers() -> None:
    def run(lost: dict[str, Any], reached: list[str]) -> Story:
        rows = [
            events.Activation(name, "Linear", [[8, 4]], [[8, 4]], events.TensorFacts([8, 4], "float32"))
            for name in ("embed", "encode", "head")
        ]
        made = Story().model({"embed.weight": [4, 8], "encode.weight": [8, 8], "head.weight": [3, 8]})
        made.optimizer().series().graph([("AddmmBackward0", [], {})], reached=reached)
        made.add(events.Activations(START, 0, rows))
        for step in range(5):
            made.sample(step, norm={"embed.weight": 0.1, "encode.weight": 0.1, "head.weight": 0.1, **lost})
        return made

    cut = run({"embed.weight": None, "encode.weight": None}, ["head.weight"])
    assert "between encode and head" in told(cut, "graph.detached").title
    assert "grads.none" not in cut.ids()
    assert "graph.detached" not in run({"head.weight": None}, ["embed.weight", "encode.weight"]).ids()


def test_layers_in_a_plain_list() -> None:
    def run(name: str, optimizer: int | None) -> list[str]:
        made = Story().model({"inlet.weight": [4, 4]})
        row = events.Parameter(7, name, [4, 4], "float32", "cpu", True, 16, optimizer)
        return made.add(events.Model(START, 1, "", parameters=[row])).ids()

    assert "model.modules_in_list" in run("blocks.0.weight", None)
    assert "model.modules_in_list" in run("blocks.0.weight", 0)
    for loose in ("w1", "params['w']", "optimizer0.3", "params[2]", "leaf0"):
        assert "model.modules_in_list" not in run(loose, 0)


def origin(how: str, **facts: Any) -> Origin:
    return Origin(START, 2, 0, float("nan"), how, **facts)


def test_where_a_nan_began_is_said() -> None:
    from_log = origin("op", op="LogBackward0", after=["rate"], tensors=[named("self", [8, 1], min=-0.7, max=2.0)])
    finding = told(story().losses([1.0, 0.9, float("nan")]).add(from_log), "loss.nonfinite")
    assert "log after rate, which got values down to -0.7" in finding.title and "clamp" in finding.advice
    assert finding.evidence["origin"]["operation"] == "log"
    weights = origin("weights", weights=[named("fc.weight", [4, 4])], bad=1, risky={"SqrtBackward0": 2})
    finding = told(story().losses([1.0, 0.9, float("nan")]).add(weights), "loss.nonfinite")
    assert "fc.weight" in finding.title and "sqrt ×2" in finding.advice


def test_an_infinite_derivative_is_said_with_the_gradients() -> None:
    run = story().add(Origin(START, 0, 0, 1.0, "gradient", op="SqrtBackward0", after=["fc"]))
    for step in range(3):
        run.sample(step, norm=float("nan"), update=float("nan"), nonfinite={"w": 3})
    assert "sqrt after fc was exactly 0" in told(run, "grads.nonfinite").title


def test_an_output_that_was_wrapped_anew() -> None:
    def run(**ops: int) -> Story:
        made = Story().model({"fc.weight": [4, 8]}).optimizer().series()
        made.graph([("MseLossBackward0", [1], {}), ("AccumulateGrad", [], {})], ops=ops, loose=1)
        for step in range(3):
            made.order(step, [None], None, None, held=1, with_gradient=0)
        return made

    assert "made anew" in told(run(MseLossBackward0=1, AccumulateGrad=1), "graph.detached").title
    assert "graph.detached" not in run(MseLossBackward0=1, AddmmBackward0=2, AccumulateGrad=4).ids()  # another model


def test_units_that_went_silent_after_the_start() -> None:
    died: dict[str, Any] = {
        "dead": 5, "silent": 62, "recent_rows": 64, "recent_looks": 4, "recent_since": 40, "step": 320,
    }  # fmt: skip
    finding = told(story().add(units(**died)), "model.dead_units")
    assert finding.severity == "warning" and "went silent" in finding.title
    for healthy in ({"silent": 40}, {"recent_rows": 32}, {"recent_since": 5}, {"step": 80}, {"recent_looks": 3}):
        assert "model.dead_units" not in story().losses([1.0]).add(units(**{**died, **healthy})).ids()
