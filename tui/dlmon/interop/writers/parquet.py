"""Parquet, through pyarrow: step as int64, everything else as float64; missing numbers are null, NaN is NaN."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from dlmon.errors import UserError
from dlmon.interop.writers.table import STEP, TIME
from dlmon.interop.writers.window import TableRow

GROUP = 1 << 16  # rows of a row group


def require() -> Any:
    """pyarrow. Raises UserError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError("--parquet needs pyarrow: pip install 'dlmon[parquet]', or use --csv") from None
    return pyarrow


def write(rows: Iterable[TableRow], columns: Sequence[str], file: BinaryIO) -> int:
    """Write a table; how many rows it has. Raises UserError without pyarrow, and OSError."""
    arrow = require()
    fields = [(STEP, arrow.int64()), (TIME, arrow.float64()), *((name, arrow.float64()) for name in columns)]
    schema = arrow.schema(fields)
    count = 0
    with arrow.parquet.ParquetWriter(file, schema) as writer:
        group: list[TableRow] = []
        for row in rows:
            group.append(row)
            count += 1
            if len(group) == GROUP:
                writer.write_table(_table(arrow, group, columns, schema))
                group.clear()
        if group or not count:
            writer.write_table(_table(arrow, group, columns, schema))
    return count


def _table(arrow: Any, rows: Sequence[TableRow], columns: Sequence[str], schema: Any) -> Any:
    data: list[Any] = [[row.step for row in rows], [row.t for row in rows]]
    data += [[row.values.get(name) for row in rows] for name in columns]
    arrays = [arrow.array(values, type=field.type) for values, field in zip(data, schema, strict=True)]
    return arrow.Table.from_arrays(arrays, schema=schema)
