"""The charts as PNG files, by Matplotlib. Fonts, sizes and metadata are fixed: the same chart gives the same bytes."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlmon import text
from dlmon.report.charts import Bars, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 8.0, 4.5  # inches
DPI = 120
COLORS = ("#2563a8", "#c4621b", "#2f855a", "#8a4fa3", "#8a6d1d", "#4a5568")
MOST_NAMED = 24  # classes whose names and counts are written into the matrix


def available() -> bool:
    """Whether Matplotlib is installed. It is not imported."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(chart: Chart) -> bytes:
    """A chart as PNG."""
    with _settings():
        figure, axes = _figure()
        for line, color in zip(chart.lines, COLORS, strict=False):
            if line.low:
                axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.18, linewidth=0)
            if line.raw:
                axes.plot(line.x, line.raw, color=color, alpha=0.3, linewidth=0.8)
            axes.plot(line.x, line.y, color=color, label=line.name, linewidth=1.6, marker="o" if line.dots else "")
        axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
        if chart.whole:
            axes.set_ylim(0, 100)
        if chart.log:
            axes.set_yscale("log")
        if len(chart.lines) > 1 or chart.lines[0].name.lower() != chart.title.lower():
            axes.legend(frameon=False)
        if chart.note:
            _note(figure, chart.note)
        return _png(figure)


def draw_bars(bars: Bars) -> bytes:
    """Horizontal bars, the first on top, as PNG."""
    with _settings():
        figure, axes = _figure()
        names = [row[0] for row in bars.rows]
        drawn = axes.barh(names, [row[1] for row in bars.rows], color=COLORS[0])
        labels = [f"{text.duration(row[1])}, {text.percent(row[2])}" for row in bars.rows]
        axes.bar_label(drawn, labels, padding=4)
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.set(title=bars.title, xlabel="seconds")
        axes.grid(visible=False, axis="y")
        return _png(figure)


def draw_matrix(names: Sequence[str], rows: Sequence[Sequence[int]], what: str) -> bytes:
    """A confusion matrix as PNG: rows are actual, columns predicted; shaded by the share of the row."""
    with _settings():
        figure, axes = _figure(square=True)
        shares = [[count / max(1, sum(row)) for count in row] for row in rows]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set(title="Confusion matrix", xlabel="predicted", ylabel="actual")
        _note(figure, what)
        axes.grid(visible=False)
        if len(names) <= MOST_NAMED:
            places = range(len(names))
            axes.set_xticks(places, names, rotation=45 if max(map(len, names)) > 3 else 0, ha="right")
            axes.set_yticks(places, names)
            for row in places:
                for column in places:
                    color = "white" if shares[row][column] > 0.6 else "#222222"
                    axes.text(column, row, f"{rows[row][column]:,}", ha="center", va="center", color=color, fontsize=8)
        return _png(figure)


def _settings() -> Any:
    """Matplotlib's own defaults, whatever the user's matplotlibrc says."""
    import matplotlib

    defaults: dict[str, Any] = dict(matplotlib.rcParamsDefault)  # type: ignore[arg-type]
    settings: dict[str, Any] = {
        name: value for name, value in defaults.items() if not name.startswith(("backend", "_internal"))
    }
    own = {
        "font.family": ["DejaVu Sans"], "text.usetex": False, "text.parse_math": False, "axes.grid": True,
        "grid.color": "#e3e6ea", "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
        "lines.markersize": 4.0, "axes.titlelocation": "left", "figure.constrained_layout.use": True,
    }  # fmt: skip
    chosen: Any = settings | own
    return matplotlib.rc_context(chosen)


def _figure(*, square: bool = False) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 6.0) if square else SIZE, dpi=DPI, facecolor="white")
    return figure, figure.add_subplot()


def _note(figure: Any, words: str) -> None:
    figure.supxlabel(words, fontsize=8, color="#666666", x=0.99, ha="right")


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return data.getvalue()
