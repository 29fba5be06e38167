"""`Database.write`: arrays into a table, the inverse of a feed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa

from rowfeed.access.address import Address
from rowfeed.dialects import open_session
from rowfeed.dialects.session import Session
from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.arguments import checked_choice
from rowfeed.layouts.base import Layout
from rowfeed.messages import brief
from rowfeed.values.dates import is_date, unit_of
from rowfeed.values.given_ids import GivenIds, ids_of_argument
from rowfeed.values.ids import IdKind, Ids, sort_ids


def write(
    address: Address,
    layout: Layout,
    arrays: Any,
    ids: GivenIds | None,
    if_exists: str,
) -> int:
    """See `rowfeed.Database.write`."""
    if not isinstance(layout, Layout):
        raise ArgumentError(f"expected a layout; got layout={brief(layout)}. Pass a Grid or Columns.")
    checked_choice("if_exists", if_exists, ("fail", "append", "replace"))
    if layout.source.name is None or not isinstance(layout.source.table, str):
        raise ArgumentError("expected a layout whose table is a name; got a selectable. Rows cannot be written to one.")
    samples = arrays.shape[0] if hasattr(arrays, "shape") else len(arrays)
    kind, names = _ids(ids, samples)
    with open_session(address, read_only=False) as session:
        table = _table(layout, session.key_type(names, kind), session)
        return session.write(table, _chunks(layout, arrays, names, kind, session), if_exists)


def _ids(ids: GivenIds | None, samples: int) -> tuple[IdKind, Ids]:
    if ids is None:
        return IdKind.INTEGERS, np.arange(samples)
    kind, names = ids_of_argument(ids, "ids")
    if names.size != samples:
        raise ArgumentError(f"expected one id per sample; got {names.size} ids and {samples} samples. Pass one each.")
    if sort_ids(names).size < names.size:
        raise ArgumentError("expected distinct ids; got one twice. Pass each id once.")
    return kind, names


def _table(layout: Layout, sample_type: Any, session: Session) -> sa.Table:
    """The table: key columns, then value columns; feeds find their rows by the primary key."""
    schema, name = layout.source.name or (None, "")
    columns = [
        sa.Column(layout.sample, sample_type, primary_key=True, autoincrement=False),
        *(sa.Column(axis, sa.Integer(), primary_key=True, autoincrement=False) for axis in layout.axes),
        *(sa.Column(value, _column_type(np.dtype(layout.dtype)), nullable=False) for value in layout.values),
    ]
    return sa.Table(name, sa.MetaData(), *columns, schema=schema, **session.table_options())


def _column_type(dtype: np.dtype[Any]) -> Any:
    """The narrowest standard SQL type that holds all of a dtype."""
    if is_date(dtype):
        return sa.Time() if dtype.kind == "m" else sa.Date() if unit_of(dtype) == "D" else sa.DateTime()
    if dtype.kind == "f":
        return sa.Double() if dtype.itemsize == 8 else sa.REAL()
    bits = dtype.itemsize * 8 + (dtype.kind == "u") if dtype.kind != "b" else 8
    return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()


def _chunks(layout: Layout, arrays: Any, ids: Ids, kind: IdKind, session: Session) -> Iterator[tuple[list[Any], ...]]:
    for sample, *columns in layout.unload(arrays):
        values = columns[len(columns) - len(layout.values) :]
        for name, value in zip(layout.values, values, strict=True):
            bad = session.unstorable(value)
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(
                    f"expected values that {session.engine_name} stores unchanged; got {brief(value[row].item())} at "
                    f"{layout.source.label}.{name}, {layout.sample}={ids[sample[row]]}. "
                    "Replace it, or make it the fill."
                )
        places = (column.tolist() for column in columns[: len(columns) - len(values)])
        yield (session.key_objects(ids[sample], kind), *places, *map(session.value_objects, values))
