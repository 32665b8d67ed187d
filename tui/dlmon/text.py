"""Numbers as a person reads them: three significant digits, a unit on each, no more digits than are known.

Pure functions of plain values; the screens and the headless output share them so that a number looks the same wherever
it is shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MISSING = "–"

# C0 and C1 controls, what reorders text or has no width, and lone surrogates: names and messages come from other
# people's programs and must not be able to move the cursor or forge a line.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` on one line, without anything that a terminal would act on."""
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_stand_in, text)


def _stand_in(found: re.Match[str]) -> str:
    return " " if found.group() in "\t\n\r\v\f\u2028\u2029" else "�"


def number(value: float | None) -> str:
    """Three significant digits: 0.0711, 41.2, 1,284, 2.10e-3. NaN and infinities by name, None as a dash."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude < 0.009995 or magnitude >= 9999.5:
        return _scientific(value)
    if magnitude >= 999.5:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(float(f"{magnitude:.2e}"))))
    return f"{value:.{digits}f}"


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def setting(value: float | None) -> str:
    """A number that a person chose (a learning rate): the digits it has, at most three: 0.001, 3e-4, 0.1."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")


def aligned(value: float | None, before: int = 3, after: int = 6) -> str:
    """`number(value)` padded so that decimal points stand below each other: `before` columns left of the point,
    `after` from the point on."""
    return on_point(number(value), before, after)


def on_point(text: str, before: int = 3, after: int = 6) -> str:
    """A formatted number padded around its decimal point; whole numbers and words end where the point would stand."""
    whole, point, rest = text.partition(".")
    return (whole.rjust(before) + point + rest).ljust(before + after)


def count(value: float | None) -> str:
    """A whole number with thousands separators: 1,284."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:,.0f}"


def short_count(value: float) -> str:
    """A whole number for an axis, in at most five columns or so: 950, 12.5k, 3M."""
    for limit, divisor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / divisor:.4g}{unit}"
    return f"{value:,.4g}" if value == int(value) else f"{value:.3g}"


def plural(amount: int, noun: str, many: str | None = None) -> str:
    """`1 finding`, `2 findings`."""
    return f"{amount:,} {noun if amount == 1 else many or noun + 's'}"


def duration(seconds: float | None) -> str:
    """A time span in its two largest useful units: 12.3 ms, 3.1 s, 6 min 12 s, 2 h 05 min, 3 d 4 h."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 0.9995:
        return f"{number(seconds * 1e6)} µs" if 0 < seconds < 0.000995 else f"{number(seconds * 1e3)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def about(seconds: float | None) -> str:
    """An estimate, no finer than it deserves: about 40 s, about 13 min, about 2 h 10 min."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 3570:
        return f"about {max(1, round(seconds / 60))} min"
    if seconds < 86400:
        tens = round(seconds / 600)
        return f"about {tens // 6} h {tens % 6 * 10:02d} min" if tens % 6 else f"about {tens // 6} h"
    return f"about {duration(seconds)}"


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def _unit(amount: float) -> int:
    index = 0
    while index + 1 < len(_UNITS) and abs(amount) >= 999.5 * 1024**index:
        index += 1
    return index


def size(amount: float | None) -> str:
    """Bytes in binary units: 41.2 GiB."""
    if amount is None:
        return MISSING
    unit = _unit(amount)
    return f"{_scaled(amount, unit)} {_UNITS[unit]}"


def _scaled(amount: float, unit: int) -> str:
    scaled = amount / 1024**unit
    return f"{scaled:.0f}" if unit == 0 else number(scaled) if abs(scaled) >= 0.0095 or scaled == 0 else "0.00"


def sizes(*amounts: float | None) -> tuple[list[str], str]:
    """Several amounts of bytes in the unit of the largest, and that unit: (["41.2", "139"], "GiB")."""
    unit = _unit(max((abs(amount) for amount in amounts if amount is not None), default=0))
    return [MISSING if amount is None else _scaled(amount, unit) for amount in amounts], _UNITS[unit]


def part_of(used: float | None, total: float | None) -> str:
    """`41.2 of 139 GiB`."""
    (first, second), unit = sizes(used, total)
    return f"{first} of {second} {unit}"


def percent(share: float | None) -> str:
    """A share of 1 as a percentage: 87 %, 0.3 %, 0 %."""
    if share is None or not math.isfinite(share):
        return MISSING
    hundredths = share * 100
    if hundredths == 0 or abs(hundredths) >= 9.95:
        return f"{hundredths:.0f} %"
    return "< 0.1 %" if 0 < hundredths < 0.05 else f"{hundredths:.1f} %"


def rate(per_second: float | None, noun: str = "step") -> str:
    """`212 steps/s`, and below one in a second `3.2 s/step`."""
    if per_second is None or not math.isfinite(per_second) or per_second <= 0:
        return ""
    if per_second < 1:
        return f"{duration(1 / per_second)}/{noun}"
    return f"{number(per_second)} {noun}s/s"


def shape(sizes_: Sequence[int]) -> str:
    """`32×3×224×224`; a scalar is `scalar`."""
    return "×".join(str(extent) for extent in sizes_) or "scalar"


def place(file: str, line: int) -> str:
    """`train.py:88`, without the folders: the screen is narrow and the full path is in the details."""
    return f"{clean(file).replace(chr(92), '/').rsplit('/', 1)[-1]}:{line}" if file else ""
