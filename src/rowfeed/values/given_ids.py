"""Sample ids as a user lists them: a list, an array, a column of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rowfeed.errors import ArgumentError
from rowfeed.messages import brief
from rowfeed.values.ids import IdKind, Ids, ids_from_objects, sort_ids

GivenIds: TypeAlias = (
    "Sequence[int] | Sequence[str] | Sequence[UUID] | Sequence[bytes] | Sequence[date] | npt.NDArray[Any]"
)

SCALARS = (str, bytes, bytearray, memoryview)


def _is_flat(samples: Any) -> bool:
    if isinstance(samples, (str, bytes)) or not isinstance(samples, Sequence):
        return False
    return not any(isinstance(item, Iterable) and not isinstance(item, SCALARS) for item in samples)


def given_ids(samples: Sequence[Any] | npt.NDArray[Any]) -> tuple[IdKind, Ids]:
    """The ids that a user listed, checked and ascending, and their kind.

    Raises:
        ArgumentError: They are not one-dimensional, not of one kind, or one is listed twice.
    """
    if hasattr(samples, "__array__"):  # a pandas or polars column, an array of a framework
        samples = np.asarray(samples)
    if not (samples.ndim == 1 if isinstance(samples, np.ndarray) else _is_flat(samples)):
        raise ArgumentError(
            f"expected a sequence of sample ids; got samples={brief(samples)}. Pass a list or a 1-d array."
        )
    if isinstance(samples, np.ndarray) and samples.dtype.kind in "iu" and samples.dtype != np.uint64:
        kind, ids = IdKind.INTEGERS, samples.astype(np.int64)
    else:
        try:
            kind, ids = ids_of_argument(samples, "samples")
        except Exception as error:
            raise ArgumentError(f"samples: {error}") from None
    ordered = sort_ids(ids)
    if ordered.size < ids.size:
        twice = Counter(ids.tolist()).most_common(1)[0][0]
        raise ArgumentError(f"expected each sample id once; got {brief(twice)} twice in samples. Pass each id once.")
    return kind, ordered


def ids_of_argument(ids: Sequence[Any] | npt.NDArray[Any], argument: str) -> tuple[IdKind, Ids]:
    """Ids in the order of an argument, and their kind.

    Raises:
        ArgumentError: numpy has lost some of them.
        DataError: One is None.
        SchemaError: They are not of one kind.
    """
    if not isinstance(ids, np.ndarray):
        return ids_from_objects(list(ids), argument, "ids")
    if ids.dtype.kind == "S":
        raise ArgumentError(
            f"expected a list of bytes; got {argument} as a numpy array of dtype {ids.dtype}, which drops zero bytes "
            "at the end. Pass a list, or an array of dtype object."
        )
    return ids_from_objects(ids.tolist(), argument, "ids")
