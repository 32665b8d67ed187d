"""confusion_matrix.csv and error_samples.csv: what the model answered in an evaluation pass, from its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dlmon import text
from dlmon.report.evaluations import Group, best_training, groups, test
from dlmon.report.evidence import Process
from dlmon.report.tables import Cell
from dlmon_probes.events_predictions import CLASSES, LABELS, PIXELS, TOKENS, VALUES, Predictions, Sample

ERROR_SAMPLES = ("dataset_index", "actual", "predicted", "confidence", "reason", "row_in_pass")
MOST_COLUMNS = 100  # classes up to which the matrix is written as one; above, one row for each cell
SURE = 0.9  # confidence from which a mistake is called a confident one
SECOND = 0.05  # probability from which the right class counts as the second choice
CLOSE = 0.1  # difference of two probabilities below which it was a close call
OFTEN = 0.1  # share of all mistakes from which two classes are called often confused, …
OFTEN_COUNT = 3  # … and the least number of them


@dataclass(frozen=True)
class Answers:
    """The predictions of the pass that the pack shows, and which pass that is. reason: why there are none."""

    predictions: Predictions | None
    which: str = ""
    reason: str = ""


def answers(process: Process | None) -> Answers:
    """The last pass over a test set; else the validation pass with the lowest loss, else the last one."""
    if process is None:
        return Answers(None, reason="no training step was recorded")
    if not process.evaluations:
        return Answers(None, reason="no evaluation pass was seen")
    training, group_of_best = best_training(process)
    tried: list[str] = []
    for group, best in (
        (test(process, training), False),
        (group_of_best, True),
        *((g, False) for g in groups(process)),
    ):
        found = None if group is None else _of(process, group, best)
        if found is not None and found.predictions is not None and found.predictions.task:
            return found
        if found is not None and found.reason:
            tried.append(found.reason)
    return Answers(None, reason=tried[0] if tried else "the log holds no predictions of an evaluation pass")


def _of(process: Process, group: Group, best: bool) -> Answers | None:
    passed = group.best if best and group.best is not None else group.passes[-1]
    key = passed.loader, passed.name
    lowest, last = process.best_answers.get(key), process.last_answers.get(key)
    found = lowest if best and lowest is not None else last
    if found is None:
        return None
    if not found.task:
        return Answers(None, reason=found.reason or "outputs and targets could not be paired")
    by = "the lowest loss" if group.best is not None and group.best.loss is not None else "the highest accuracy"
    kind = by if found is lowest and best else "the last one"
    called = text.clean(called_of(group))
    return Answers(found, f"{called} after {text.plural(found.step, 'step')} ({kind} of {len(group.passes)})")


def called_of(group: Group) -> str:
    """A set by its name, and what the script calls it where that is another: `val (val_loader)`."""
    return f"{group.label} ({group.said})" if group.said not in ("", group.label) else group.label


def class_name(predictions: Predictions, number: float | None) -> str:
    """A class as the data set calls it, or its number."""
    if number is None:
        return ""
    place = int(number)
    names = predictions.class_names
    if number == place and 0 <= place < len(names):
        return text.clean(names[place])
    return str(place) if number == place else f"{number:.6g}"


def confusion(predictions: Predictions | None) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Header and rows. Up to 100 classes: a row for each actual class and a column for each predicted one."""
    if predictions is None or not predictions.confusion:
        return ("actual", "predicted", "count"), []
    if predictions.task == LABELS:
        return _label_rows(predictions)
    size = _classes(predictions)
    cells = {(row[0], row[1]): row[2] for row in predictions.confusion if len(row) == 3}
    if size > MOST_COLUMNS or predictions.cut:
        listed = sorted(cells.items(), key=lambda item: (-item[1], item[0]))
        return ("actual", "predicted", "count"), [
            (class_name(predictions, actual), class_name(predictions, predicted), amount)
            for (actual, predicted), amount in listed
        ]
    names = [class_name(predictions, place) for place in range(size)]
    rows: list[tuple[Cell, ...]] = [
        (names[actual], *(cells.get((actual, predicted), 0) for predicted in range(size))) for actual in range(size)
    ]
    return ("actual", *names), rows


def _classes(predictions: Predictions) -> int:
    seen = [place for row in predictions.confusion for place in row[:2]]
    return max([(predictions.classes or 0) - 1, *seen]) + 1 if seen or predictions.classes else 0


def _label_rows(predictions: Predictions) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    counts: dict[int, list[int]] = {}
    for row in predictions.confusion:
        if len(row) == 3 and 0 <= row[1] <= 3:
            counts.setdefault(row[0], [0, 0, 0, 0])[row[1]] += row[2]
    header = ("label", "true_negative", "false_positive", "false_negative", "true_positive")
    return header, [(class_name(predictions, label), *counts[label]) for label in sorted(counts)]


@dataclass(frozen=True)
class ClassRow:
    """Precision and recall of one class; None where nothing was predicted, or nothing was there."""

    name: str
    support: int
    precision: float | None
    recall: float | None


def per_class(predictions: Predictions | None) -> list[ClassRow]:
    """Of each class that occurs."""
    if predictions is None or not predictions.confusion:
        return []
    rows = []
    for place, (right, predicted, actual) in sorted(_totals(predictions).items()):
        rows.append(
            ClassRow(
                class_name(predictions, place),
                actual,
                right / predicted if predicted else None,
                right / actual if actual else None,
            )
        )
    return rows


def _totals(predictions: Predictions) -> dict[int, tuple[int, int, int]]:
    """Class → (right, predicted, actual)."""
    totals: dict[int, list[int]] = {}
    for row in predictions.confusion:
        if len(row) != 3:
            continue
        first, second, amount = row
        if predictions.task == LABELS:
            one = totals.setdefault(first, [0, 0, 0])
            for place, kinds in enumerate(((3,), (1, 3), (2, 3))):
                one[place] += amount if second in kinds else 0
            continue
        totals.setdefault(first, [0, 0, 0])[2] += amount
        totals.setdefault(second, [0, 0, 0])[1] += amount
        totals[first][0] += amount if first == second else 0
    if predictions.cut:  # what was left out of the cells is in these
        for column, counts in ((1, predictions.predicted_counts), (2, predictions.actual_counts)):
            for place, count in enumerate(counts):
                if count:
                    totals.setdefault(place, [0, 0, 0])[column] = count
    return {place: (row[0], row[1], row[2]) for place, row in totals.items()}


def calibration_error(predictions: Predictions | None) -> float | None:
    """Expected calibration error (Guo et al. 2017): mean distance of confidence and accuracy, weighted by bin."""
    bins = [row for row in (predictions.confidence_bins if predictions else ()) if len(row) == 3 and row[0] > 0]
    total = sum(row[0] for row in bins)
    return sum(abs(row[2] - row[1]) for row in bins) / total if total else None


def error_samples(predictions: Predictions | None) -> tuple[list[tuple[Cell, ...]], bool]:
    """Rows, and whether they are mistakes: without any, they are the right answers with the least confidence."""
    if predictions is None:
        return [], True
    if predictions.wrong:
        confused = _often(predictions)
        return [_row(predictions, sample, _why_wrong(predictions, sample, confused, place))
                for place, sample in enumerate(predictions.wrong)], True  # fmt: skip
    return [_row(predictions, sample, "right, but with little confidence") for sample in predictions.unsure], False


def _row(predictions: Predictions, sample: Sample, reason: str) -> tuple[Cell, ...]:
    actual, predicted = (_answer(predictions, value) for value in (sample.actual, sample.predicted))
    return sample.index, actual, predicted, sample.confidence, reason, sample.row


def _answer(predictions: Predictions, value: float | None) -> Cell:
    return value if predictions.task == VALUES else class_name(predictions, value)


def _often(predictions: Predictions) -> Mapping[frozenset[int], tuple[int, int]]:
    """Pairs of classes → (mistakes between them, all mistakes), where they are a good part of all."""
    if predictions.task not in (CLASSES, PIXELS, TOKENS):
        return {}
    pairs: dict[frozenset[int], int] = {}
    for row in predictions.confusion:
        if len(row) == 3 and row[0] != row[1]:
            key = frozenset(row[:2])
            pairs[key] = pairs.get(key, 0) + row[2]
    total = sum(pairs.values())
    return {key: (n, total) for key, n in pairs.items() if n >= OFTEN_COUNT and n >= OFTEN * total and len(pairs) > 1}


def _why_wrong(
    predictions: Predictions, sample: Sample, confused: Mapping[frozenset[int], tuple[int, int]], place: int
) -> str:
    if predictions.task == VALUES:
        return _by_size(predictions, sample, place)
    parts = [*_by_probability(sample, place), *_by_pair(predictions, sample, confused)]
    if predictions.task == LABELS and sample.wrong:
        parts.append(_labels(predictions, sample.wrong))
    if sample.position is not None:
        parts.append(f"at position {sample.position} of the sequence")
    if predictions.task == PIXELS and sample.error is not None:
        parts.insert(0, f"{text.percent(sample.error)} of the positions wrong")
    return "; ".join(parts) or "wrong"


def _by_size(predictions: Predictions, sample: Sample, place: int) -> str:
    name = "largest error" if place == 0 else "error"
    if sample.error is None:
        return f"{name}, its size was not recorded"
    usual = f", {text.number(sample.error / predictions.rmse)} × the RMSE" if predictions.rmse else ""
    return f"{name} {text.number(sample.error)}{usual}"


def _by_probability(sample: Sample, place: int) -> Iterator[str]:
    sure, right = sample.confidence, sample.actual_probability
    if sure is None:
        return
    if place == 0:
        yield "most confident mistake"
    elif sure >= SURE:
        yield "confident mistake: look at the label"
    if right is None:
        return
    if sure - right < CLOSE:
        yield f"close call: {text.percent(sure)} against {text.percent(right)}"
    elif right >= SECOND and right > 1 - sure - right:  # more than what all the others have left
        yield f"second choice was right ({text.percent(right)})"


def _by_pair(
    predictions: Predictions, sample: Sample, confused: Mapping[frozenset[int], tuple[int, int]]
) -> Iterator[str]:
    if sample.actual is None or sample.predicted is None:
        return
    found = confused.get(frozenset((int(sample.actual), int(sample.predicted))))
    if found is not None:
        names = (class_name(predictions, sample.actual), class_name(predictions, sample.predicted))
        yield f"classes often confused: {names[0]} ↔ {names[1]} ({found[0]:,} of {found[1]:,} mistakes)"


def _labels(predictions: Predictions, wrong: Sequence[int]) -> str:
    missed = [class_name(predictions, label) for label in wrong if label >= 0]
    extra = [class_name(predictions, -label - 1) for label in wrong if label < 0]
    parts = [f"missed {', '.join(missed)}"] if missed else []
    parts += [f"not there: {', '.join(extra)}"] if extra else []
    return "; ".join(parts)
