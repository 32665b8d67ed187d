"""The labels that a run's losses were given, against the classes of the output."""

from __future__ import annotations

from dlmon.state.snapshot import RankFacts
from dlmon_probes import events


def counts(loss: events.LossFacts) -> dict[int, int]:
    """Label to how often it was there, without the one that the loss ignores."""
    found = {}
    for name, count in loss.labels.items():
        if name.lstrip("-").isdigit() and int(name) != loss.ignore_index:
            found[int(name)] = count
    return found


def label_losses(facts: RankFacts) -> list[tuple[events.Graph, events.LossFacts]]:
    """The losses with class labels, in order of steps."""
    graphs = sorted(facts.graphs, key=lambda graph: (graph.step, graph.t))
    return [(graph, loss) for graph in graphs for loss in graph.losses if loss.labels]


def only_class(facts: RankFacts) -> str | None:
    """ "class 3" where every label that was seen is the same although the output knows more; else None."""
    seen: set[int] = set()
    rows, classes = 0, 0
    for _, loss in label_losses(facts):
        found = counts(loss)
        seen |= found.keys()
        rows = max(rows, sum(found.values()))
        classes = max(classes, loss.classes or 2)
    return f"class {next(iter(seen))}" if len(seen) == 1 and rows > 1 and classes > 1 else None
