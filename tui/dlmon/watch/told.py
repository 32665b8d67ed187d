"""The language of conditions as a page, made from the lists that the parser knows."""

from __future__ import annotations

from collections.abc import Mapping

from dlmon.watch.facts import NAMES
from dlmon.watch.tree import METHODS

TOPIC = "conditions"  # `dlmon explain conditions`


def page() -> str:
    """Markdown."""
    facts = _table({name: words for name, (words, _) in NAMES.items()})
    methods = _table({f".{name}({'n' if method.takes else ''})": method.words for name, method in METHODS.items()})
    return f"""# conditions: what --break-when and --stop-when understand

    dlmon --break-when 'loss > 10 or grad_norm > 100' train.py
    dlmon --stop-when 'val_loss.stale(5)' train.py

`--break-when` pauses the training when the condition turns true; space on the screen lets it go on. `--stop-when` stops
it with SIGINT, as Ctrl-C would, while it waits between two optimizer steps, so that its own clean-up runs. Both may be
given several times. Every step is judged, also after the screen was left.

How soon: a `--break-when` that speaks only of loss, grad_norm, lr and step, and of their last values, is judged by the
training itself, which pauses at the end of that very step (of a GPU's loss up to 0.25 s later: nothing waits for the
device). Everything else, and `--stop-when`, is judged by a process beside it; what a training reports is written every
0.25 s, so that it is about that much further by then.

At a break the screen opens what the step was made of (`b` opens it again): the batch, the samples of which the model is
least certain with their indices in the data set, gradients and activations; `i` is the console, `.` does one step more,
looked at in full.

## Facts

{facts}

What the script logs by itself, and further losses and evaluations, are written in quotes: `'train/kl' > 3`,
`'test accuracy' < 0.5`. A comparison with a fact that was not reported yet, or with NaN, is not true.

## Of the values so far

{methods}

In `val_loss.stale(5)` a lower value is better, in `val_accuracy.stale(5)` and wherever the name has `acc` a higher one.

## Signs

`< <= > >= == !=`, `+ - * /`, `and`, `or`, `not`, parentheses; `0 < loss < 10` works.
"""


def _table(rows: Mapping[str, str]) -> str:
    longest = max(map(len, rows))
    return "\n".join(f"    {name:<{longest}}  {words}" for name, words in rows.items())
