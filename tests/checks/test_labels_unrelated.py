from __future__ import annotations

from typing import Any

from dlmon_probes import events
from dlmon_probes.events_data import LoaderRows
from tests.builders import START, Story, told

ID = "data.labels_unrelated"


def run(level: float = 1.386, steps: int = 320, update: float = 1e-3, **loss: Any) -> Story:
    story = Story().model({"fc.weight": [4, 4]}).optimizer().series()
    known: dict[str, Any] = {"op": "NllLossBackward0", "classes": 4, **loss}
    story.graph([("NllLossBackward0", [], {})], value=level, losses=[events.LossFacts(**known)])
    labels = {str(label): 200 for label in range(4)}
    story.add(LoaderRows(START, 0, 0, True, 10, 10, 800, 800, labels=labels))
    story.losses([level + 0.01 * (-1) ** i for i in range(steps)])
    return story.sample(steps - 1, update=update)


def test_a_loss_that_stays_at_the_entropy_of_the_labels_is_a_hint() -> None:
    finding = told(run(), ID)
    assert finding.severity == "hint" and "1.386 nats over 4 classes" in finding.title


def test_where_something_is_learnt_or_nothing_is_tried() -> None:
    for quiet in (run(1.2), run(steps=200), run(update=1e-6), run(weighted=True), run(classes=3)):
        assert ID not in quiet.ids()
