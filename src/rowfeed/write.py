"""`Database.write`: arrays into a table, the inverse of a feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.base import checked_choice
from rowfeed.rows import ids_from_objects, sort_ids

if TYPE_CHECKING:
    from rowfeed.database import Database
    from rowfeed.dialects.generic import Session
    from rowfeed.layouts import Layout


def write(
    database: Database,
    layout: Layout,
    arrays: Any,
    ids: Sequence[int] | Sequence[str] | npt.NDArray[Any] | None,
    if_exists: str,
) -> int:
    """See `rowfeed.Database.write`."""
    checked_choice("if_exists", if_exists, ("fail", "append", "replace"))
    if layout.source.name is None or not isinstance(layout.source.table, str):
        raise ArgumentError("expected a layout whose table is a name; got a selectable. Rows cannot be written to one.")
    samples = arrays.shape[0] if hasattr(arrays, "shape") else len(arrays)
    names = _ids(ids, samples)
    with database.session_class.open(database, read_only=False) as session:
        return session.write(_table(layout, names, session), _chunks(layout, arrays, names, session), if_exists)


def _ids(ids: Any, samples: int) -> npt.NDArray[Any]:
    if ids is None:
        return np.arange(samples)
    names = ids_from_objects(ids.tolist() if isinstance(ids, np.ndarray) else list(ids), "ids", "ids")
    if names.size != samples:
        raise ArgumentError(f"expected one id per sample; got {names.size} ids and {samples} samples. Pass one each.")
    if sort_ids(names).size < names.size:
        raise ArgumentError("expected distinct ids; got one twice. Pass each id once.")
    return names


def _table(layout: Layout, ids: npt.NDArray[Any], session: Session) -> sa.Table:
    """The table: key columns, then value columns; the primary key is what the feed will look for."""
    schema, name = layout.source.name or (None, "")
    text = ids.dtype.kind == "T"
    longest = max((len(i) for i in ids.tolist()), default=1) if text else 0
    sample_type: Any = sa.String(max(1, longest)) if text else sa.BigInteger()
    columns = [
        sa.Column(layout.sample, sample_type, primary_key=True, autoincrement=False),
        *(sa.Column(axis, sa.Integer(), primary_key=True, autoincrement=False) for axis in layout.axes),
        *(sa.Column(value, _column_type(np.dtype(layout.dtype)), nullable=False) for value in layout.values),
    ]
    return sa.Table(name, sa.MetaData(), *columns, schema=schema, **session.table_options())


def _column_type(dtype: np.dtype[Any]) -> Any:
    """The narrowest standard SQL type that holds all of a dtype."""
    if dtype.kind == "f":
        return sa.Double() if dtype.itemsize == 8 else sa.REAL()
    bits = dtype.itemsize * 8 + (dtype.kind == "u") if dtype.kind != "b" else 8
    return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()


def _chunks(layout: Layout, arrays: Any, ids: npt.NDArray[Any], session: Session) -> Iterator[tuple[list[Any], ...]]:
    for sample, *columns in layout.unload(arrays):
        values = columns[len(columns) - len(layout.values) :]
        for name, value in zip(layout.values, values, strict=True):
            bad = session.unstorable(value)
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(
                    f"expected values that {session.engine_name} stores unchanged; got {value[row].item()!r} at "
                    f"{layout.source.label}.{name}, {layout.sample}={ids[sample[row]]}. "
                    "Replace it, or make it the fill."
                )
        yield (ids[sample].tolist(), *(column.tolist() for column in columns))
