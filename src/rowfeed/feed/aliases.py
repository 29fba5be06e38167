"""Ids that the database calls equal, and that are different ids: 'Ann' in one table, and 'ann ' in another.

Collations may ignore case, accents or trailing spaces; CHAR(n) pads; UUIDs are written in several forms. rowfeed
compares text by its code points, on every engine. So a sample would have no rows in the other table, where the database
itself finds some: zeros without a word. This is found when a feed is made, and refused.
"""

from __future__ import annotations

from uuid import UUID

import numpy as np
import sqlalchemy as sa

from rowfeed.dialects.session import Session
from rowfeed.errors import DataError
from rowfeed.request.request import Request
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source
from rowfeed.values.ids import FORMS, TEXT, IdKind, Ids, sort_ids

PROBED = 100
"""The ids that are tried, of the samples and of a table, to see how a database compares."""


def refuse_aliases(session: Session, selection: Selection, ids: Ids, common: Ids) -> None:
    """Check that no sample lacks rows of a table only because they have an equal id that is another one.

    Args:
        session: The session to ask.
        selection: The rows, which may have ids that are no samples, and need not have all samples.
        ids: The samples.
        common: Those samples that all tables have from which the samples come: such a table tells them from others.

    Raises:
        DataError: There is such an id.
    """
    if selection.id_kind is not IdKind.TEXT or ids.dtype.kind != "T":
        return
    samples = ids.tolist()
    uuids = FORMS[IdKind.UUIDS].fullmatch(samples[0].lower()) is not None
    if not (uuids or _is_loose(session, selection, samples)):
        return
    there = set(_ids_in(session, selection))
    missing = [name for name in samples if name not in there]
    others = there.difference(common.tolist())
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
    """Whether a table's ids equal others: samples are tried, and its own ids in another case, with a space, and so on.

    Its own, because a table of few ids may have none of the samples that are tried.
    """
    tried = samples[:: max(1, len(samples) // PROBED)]
    if session.equal_ids(Request(selection, np.array(tried, TEXT))) - set(tried):
        return True
    own = _ids_in(session, selection, PROBED)
    forms = {form for name in own for form in (name.swapcase(), f"{name} ", name.rstrip(" "), f"{name}\x01")}
    forms -= set(own)
    return bool(forms and session.equal_ids(Request(selection, sort_ids(np.array([*forms], TEXT)))) - forms)


def _ids_in(session: Session, selection: Selection, rows: int | None = None) -> list[str]:
    """The distinct ids of a table, or of its first rows. NULL is none: such rows belong to no sample."""
    ids = selection.source.select({"sample": selection.sample}).subquery("i").c.sample
    return list(session.sample_ids(Source(sa.select(ids).where(ids.is_not(None)).limit(rows)), "sample").tolist())


def _other_form(missing: list[str], others: set[str]) -> str | None:
    """A UUID that is written in another form than the samples'."""
    wanted = {_uuid(name) for name in missing} - {None}
    return next((other for other in sorted(others) if _uuid(other) in wanted), None)


def _uuid(text: str) -> UUID | None:
    """The UUID of any of its forms; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
