"""Ids that the database calls equal, and that are different ids: 'Ann' in one table, and 'ann ' in another.

Collations may ignore case, accents or trailing spaces; CHAR(n) pads; UUIDs are written in several forms. rowfeed
compares text by its code points, on every engine. So a sample would have no rows in the other table, where the database
itself finds some: zeros without a word. This is found when a feed is made, and refused.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import numpy as np

from rowfeed.dialects.session import Session
from rowfeed.errors import DataError
from rowfeed.request.request import Request
from rowfeed.request.selection import Selection
from rowfeed.values.ids import FORMS, TEXT, IdKind, Ids, sort_ids

PROBED = 100
"""The ids that are tried, each in other forms, to see how a database compares."""


def refuse_aliases(session: Session, selection: Selection, ids: Ids) -> None:
    """Check that no sample lacks rows of a table only because they have an equal id that is another one.

    Args:
        session: The session to ask.
        selection: The rows, which may have ids that are no samples, and need not have all samples.
        ids: The samples.

    Raises:
        DataError: There is such an id.
    """
    if selection.id_kind is not IdKind.TEXT or ids.dtype.kind != "T":
        return
    samples = ids.tolist()
    uuids = FORMS[IdKind.UUIDS].fullmatch(samples[0]) is not None
    if not (uuids or _is_loose(session, selection, samples)):
        return
    there = set(session.sample_ids(selection.source, selection.sample).tolist())
    missing = [name for name in samples if name not in there]
    others = there.difference(samples)
    if not missing or not others:
        return
    alias = _other_form(missing, others) if uuids else None
    if alias is None:
        found = session.equal_ids(Request(selection, np.array(missing, TEXT))) & others
        alias = min(found, default=None)
    if alias is not None:
        raise DataError(
            f"expected the samples' ids as they are in the other tables; got {alias!r} at {selection.source.label}."
            f"{selection.sample}, which the database calls equal to a sample without rows there. It is another id: "
            "text is compared by its code points. Write the ids alike, or convert them in a selectable: lower(…), "
            "trim(…), CAST(… AS …)."
        )


def _is_loose(session: Session, selection: Selection, samples: list[str]) -> bool:
    """Whether a table's ids equal others: some samples are tried with another case, a space, and what is ignored."""
    tried = samples[:: max(1, len(samples) // PROBED)]
    forms = {form for name in tried for form in (name.swapcase(), f"{name} ", name.rstrip(" "), f"{name}\x01")}
    forms -= set(samples)
    found = session.equal_ids(Request(selection, sort_ids(np.array([*forms], TEXT))))
    return bool(found - forms or session.equal_ids(Request(selection, np.array(tried, TEXT))) - set(tried))


def _other_form(missing: list[str], others: set[str]) -> str | None:
    """A UUID that is written in another form than the samples'."""
    wanted = set(missing)
    for other in sorted(others):
        with suppress(ValueError):
            if str(UUID(other)) in wanted:
                return other
    return None
