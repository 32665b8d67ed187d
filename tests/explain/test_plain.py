"""Markdown becomes rows that a terminal can show, and no sign of markup is left."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlmon.explain import pages, plain
from dlmon.explain.plain import CODE, HEADING, TEXT, TITLE

PAGE = """# loss.x: one `title`

## What it means

Words that are **strong**, *slanted* and `a * b * c`, with a
[link](https://example.org/a) and [another](b.md).

- first item
  goes on
- second

1. numbered

```python
x = "**kept**"  # `as it is`
```

| name | says |
|---|---|
| `a` | b |
"""


def test_a_page_as_rows() -> None:
    rows = plain.rows(PAGE, 60)
    assert [(row.kind, row.text) for row in rows if row.text] == [
        (TITLE, "loss.x: one title"),
        (HEADING, "What it means"),
        (TEXT, "  Words that are strong, slanted and a * b * c, with a link"),
        (TEXT, "  (https://example.org/a) and another."),
        (TEXT, "  - first item goes on"),
        (TEXT, "  - second"),
        (TEXT, "  1. numbered"),
        (CODE, '    x = "**kept**"  # `as it is`'),
        (CODE, "    name    says"),
        (CODE, "    a    b"),
    ]


@pytest.mark.parametrize("id", pages.all_ids())
def test_the_pages_leave_no_markup_behind(id: str) -> None:
    for row in plain.rows(pages.read(id).text, 76):
        if row.kind != CODE:
            assert not re.search(r"`|\*\*|^#|\]\(", row.text), row.text
            assert len(row.text) <= 76 or " " not in row.text.strip(), row.text


@given(st.text(alphabet=st.sampled_from("#`*_-|[]() \n\tab1.:"), max_size=200), st.integers(-5, 120))
def test_any_text_at_any_width(text: str, width: int) -> None:
    for row in plain.rows(text, width):
        assert "\n" not in row.text
