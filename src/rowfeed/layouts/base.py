"""What every layout is able to do."""

from __future__ import annotations

import abc
import math
import mmap
from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rowfeed.dates import NAMES, NOUNS, converted, is_date, unit_of
from rowfeed.errors import ArgumentError, DataError
from rowfeed.exact import from_objects, unchanged
from rowfeed.request import ColumnData, Selection, Source

if TYPE_CHECKING:
    from rowfeed.dialects.generic import Session

Array: TypeAlias = npt.NDArray[Any]

FROM_SYSTEM_BYTES = 2**20
"""From this size on, an array gets its memory from the system, and gives it back when it goes."""

PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
"""That such memory is this process's alone: by default Python's `mmap` shares it with processes forked later."""

ROWS_AT_A_TIME = 4_096
"""Rows that `put` puts together: some hundred kilobytes."""


class Layout(abc.ABC):
    """How database rows become one array per sample."""

    source: Source
    """The rows."""
    sample: str
    """The column with the sample id."""
    axes: Sequence[str] = ()
    """The columns with the coordinates."""
    dtype: Any
    """The dtype of the arrays."""
    values: tuple[str, ...]
    """The columns with the values."""
    sample_shape: tuple[int, ...]
    """The shape of one sample."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return prod(self.sample_shape) * int(np.dtype(self.dtype).itemsize)

    @property
    def rows_per_sample(self) -> float:
        """The rows of a sample, at most; infinite where a cell may have several."""
        return math.inf

    @abc.abstractmethod
    def selection(self, session: Session) -> Selection:
        """What to ask the database for. Needs a session, since that may depend on the table's keys."""

    def missing_index(self, session: Session) -> str | None:
        """The CREATE INDEX without which each request scans the table; None where there is one."""
        return session.missing_index(self.source, self.sample)

    @abc.abstractmethod
    def empty(self, samples: int) -> Array:
        """Samples without rows: (samples, *sample_shape)."""

    @abc.abstractmethod
    def scatter(self, data: ColumnData, slots: npt.NDArray[np.int64], out: Array) -> None:
        """Put each sample of a request into its slot of `out`, which is as `empty` made it.

        Args:
            data: The columns of the request.
            slots: Where each of the request's samples goes: (samples of the request,).
            out: (slots, *sample_shape).

        Raises:
            DataError: Rows break what the layout promises.
        """

    @abc.abstractmethod
    def unload(self, arrays: Any) -> Iterator[tuple[Array, ...]]:
        """The inverse of `scatter`, in chunks: sample number, coordinates, values of the rows, each (rows,).

        Raises:
            ArgumentError: The arrays do not fit.
        """


def filled(shape: tuple[int, ...], fill: Any, dtype: np.dtype[Any]) -> Array:
    """An array of one value, whose memory, where it is large, comes straight from the system.

    Windows come and go all the time: from malloc, their memory would stay with the process in pieces, and freeing
    them would teach glibc to keep smaller blocks too (its threshold for mmap is dynamic, see mallopt(3)). Measured with
    benchmarks/memory.py: a peak of 98 to 105 MiB instead of 142 to 157.
    """
    size = prod(shape) * dtype.itemsize
    if size < FROM_SYSTEM_BYTES:
        return np.full(shape, fill, dtype)
    memory = mmap.mmap(-1, size, **PRIVATE)
    array = np.frombuffer(memory, dtype).reshape(shape)
    if np.array(fill).astype(dtype).tobytes().strip(b"\0"):
        array[...] = fill
    return array


def put(out: Array, places: npt.NDArray[np.int64], columns: Sequence[Array]) -> None:
    """Write rows into an array, each to its place.

    Rows are put together part by part, small enough for a CPU's cache: measured with 20 columns, half of the time that
    column by column takes.

    Args:
        out: C-contiguous; its last axis, or no axis where there is one column, is that of the columns.
        places: Where each row goes, counted in rows of `out`: (rows,).
        columns: The columns, each (rows,).
    """
    if len(columns) == 1:
        out.reshape(-1)[places] = columns[0]
        return
    flat = out.reshape(-1, len(columns))
    for start in range(0, places.size, ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        flat[places[part]] = np.stack([column[part] for column in columns], axis=1)


def checked_dtype(dtype: Any, dates: bool = False) -> np.dtype[Any]:
    """A dtype that arrays can have.

    Args:
        dtype: What the user gave.
        dates: Whether they may be dates and times as well.

    Raises:
        ArgumentError: It is not boolean, integer or float.
    """
    try:
        result: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        result = np.dtype(object)
    if is_date(result):
        if not dates:
            raise ArgumentError(
                f"expected a boolean, integer or float dtype, as a grid is of numbers; got dtype={dtype!r}. "
                "Read dates with Columns, or CAST them to numbers in a selectable."
            )
        if unit_of(result) is None:
            name = NAMES[result.kind]
            raise ArgumentError(
                f'expected {name} in one of the units D, h, m, s, ms, us; got dtype={dtype!r}. Use "{name}[us]".'
            )
        return result
    if result.kind not in "biuf" or result.itemsize > 8:
        raise ArgumentError(
            f'expected a boolean, integer or float dtype of at most 8 bytes; got dtype={dtype!r}. Use "float32".'
        )
    return result


def checked_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ArgumentError unless the value is one of the choices."""
    if value not in choices:
        raise ArgumentError(f"expected one of {', '.join(choices)}; got {name}={value!r}. Choose one of them.")


def checked_names(name: str, value: str | Sequence[str]) -> tuple[str, ...]:
    """One or several column names as a tuple, each once.

    Raises:
        ArgumentError: There is none, one is no text, or one is there twice.
    """
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else (None,)
    if not names or not all(isinstance(n, str) and n for n in names) or len(set(names)) < len(names):
        raise ArgumentError(
            f"expected a column name or a list of distinct ones; got {name}={value!r}. Name the columns to read."
        )
    return names


def unchanged_array(part: Array, dtype: np.dtype[Any], first: int) -> Array:
    """Samples to write, in the layout's dtype and C order, their values unchanged.

    Args:
        part: (samples, ...).
        dtype: The dtype of the layout.
        first: The number of the first sample, for messages.

    Raises:
        DataError: A value would change.
    """
    if is_date(dtype):
        if part.dtype.kind != dtype.kind or unit_of(part.dtype) is None:
            raise ArgumentError(f"expected an array of {dtype.name}; got dtype {part.dtype}. Convert it first.")
        cells = max(1, prod(part.shape[1:]))
        return converted(part.reshape(-1), dtype, lambda index: f"arrays[{first + index // cells}]").reshape(part.shape)
    if part.dtype.kind not in "biuf":
        raise ArgumentError(f"expected arrays of numbers; got dtype {part.dtype}. Convert them first.")
    cells = max(1, prod(part.shape[1:]))
    flat = unchanged(part.reshape(-1), dtype, lambda index: f"arrays[{first + index // cells}]")
    return np.ascontiguousarray(flat).reshape(part.shape)


def checked_date_fill(fill: Any, dtype: np.dtype[Any], needed: bool) -> Any:
    """A fill of dates or times as numpy has it; NaT where none is given, nor needed.

    Raises:
        ArgumentError: It is needed and not given, or the dtype does not hold it.
    """
    if isinstance(fill, int) and fill == 0 and not needed:
        return np.array("NaT", dtype)[()]
    name = NAMES[dtype.kind]
    try:
        result = np.array(fill if isinstance(fill, (np.datetime64, np.timedelta64)) else None, dtype)[()]
        if isinstance(fill, (np.datetime64, np.timedelta64)):
            held = fill.dtype.kind == dtype.kind and (np.isnat(fill) or bool(result == fill))
        elif isinstance(fill, str) and fill.lower() == "nat":
            held = True
        else:
            result, held = from_objects([fill], dtype, lambda _: "fill")[0], True
    except (DataError, TypeError, ValueError):
        held = False
    if not held:
        raise ArgumentError(
            f'expected {NOUNS[dtype.kind]} that {dtype.name} holds, or "NaT", with null="fill"; got fill={fill!r}. '
            f'Pass fill=numpy.{name}(…) or fill="NaT".'
        )
    return result


def checked_fill(fill: Any, dtype: np.dtype[Any]) -> float:
    """A fill as a Python number that the dtype holds.

    Raises:
        ArgumentError: It is no number, or the dtype does not hold it.
    """
    value = fill.item() if isinstance(fill, np.generic) else fill
    try:
        from_objects([value], dtype, lambda _: "fill")
    except DataError as error:
        raise ArgumentError(
            f"expected a fill that {dtype} can hold; got fill={fill!r}. Change fill or dtype."
        ) from error
    return float(value) if isinstance(value, float) or dtype.kind == "f" else int(value)
