"""A new feed's questions to its database: the selection of each layout, the samples, and missing indexes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from rowfeed.errors import DataError
from rowfeed.feed.aliases import refuse_aliases
from rowfeed.feed.options import Options
from rowfeed.feed.samples import Samples
from rowfeed.layouts.base import Layout
from rowfeed.plan.order import Positions
from rowfeed.reading.listing import list_ids
from rowfeed.reading.presence import Presence
from rowfeed.reading.retrier import Retrier
from rowfeed.reading.shared import Shared, shared
from rowfeed.reading.sizes import TARGET_S, Scan
from rowfeed.reading.stats import Counters
from rowfeed.request.request import Request
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source
from rowfeed.values.given_ids import given_ids
from rowfeed.values.ids import IdKind, Ids, check_kind, merged

Origin: TypeAlias = "tuple[Source, str]"
"""A table, and the column with the ids of its samples."""

CERTAIN_S = 0.5
"""Seconds of a first answer for one sample that need no second attempt."""


@dataclass(frozen=True, eq=False)
class Query:
    """A query of a feed's requests.

    Args:
        shared: Its columns, and the layouts that it reads.
        scan: The scan of a request, if the table lacks an index.
    """

    shared: Shared
    scan: Scan | None

    @property
    def asked(self) -> object:
        """What the scan depends on."""
        selection = self.shared.selection
        return selection.source, selection.sample, frozenset(selection.value_kinds)


@dataclass(frozen=True, eq=False)
class Survey:
    """The known facts about a database. A feed that is made from another one gets them, and asks only for the rest.

    Args:
        selections: The selection of each layout.
        ids: The sample ids of the feed, ascending and read-only.
        queries: The queries that read the layouts.
        origins: The samples that had rows, for each table and column that the ids come from; none if the options name
            the samples.
    """

    selections: Mapping[Layout, Selection]
    ids: Ids
    queries: Sequence[Query]
    origins: Mapping[Origin, Presence]

    @property
    def scanned(self) -> set[Source]:
        """The sources that requests scan."""
        return {query.shared.selection.source for query in self.queries if query.scan is not None}

    def cut(self, positions: Positions) -> Survey:
        """The facts for a feed of only these samples."""
        origins = {origin: presence.cut(positions) for origin, presence in self.origins.items()}
        return replace(self, ids=self.ids[positions], origins=origins)


def survey(options: Options, known: Survey | None, counters: Counters) -> Survey:
    """Ask for all facts that are not known yet. If all are known, no connection is opened.

    Args:
        options: The arguments of the feed.
        known: The facts of the feed that this one is made from, whose samples it gets. None: the options name them.
        counters: The counters of the requests.

    Raises:
        SchemaError: A table or column is missing, or ids are of another kind than the column's.
        DataError: There is no sample, or a sample id is NULL.
        DatabaseError: The database refused or failed.
    """
    layouts = options.structure.layouts
    ids, origins = (None, {}) if known is None else (known.ids, known.origins)
    selections = {layout: known.selections[layout] for layout in layouts if known and layout in known.selections}
    with Retrier(options.address, patient=False, counters=counters) as retrier:
        new = [layout for layout in layouts if layout not in selections]
        for layout in new:
            selections[layout] = retrier.run(partial(_selection, layout))
        if ids is None:
            given, ids, origins = retrier.run(partial(_sample_ids, options, selections, counters))
        else:
            given = _kind(ids)
        for layout in layouts:
            kind = selections[layout].id_kind
            if kind is not None:
                check_kind(ids, given, kind, layout.source.label, layout.sample)
        for origin, selection in {(layout.source, layout.sample): selections[layout] for layout in new}.items():
            if origin not in origins or len(origins) > 1:
                retrier.run(partial(_refuse_aliases, selection, ids, origins.values()))
        asked = {} if known is None else {query.asked: query.scan for query in known.queries}
        queries = []
        for one in shared({layout: selections[layout] for layout in layouts}):
            query = Query(one, None)
            scan = asked[query.asked] if query.asked in asked else retrier.run(partial(_scan, one, ids))
            queries.append(replace(query, scan=scan))
    ids.flags.writeable = False
    return Survey({layout: selections[layout] for layout in layouts}, ids, queries, origins)


def _refuse_aliases(selection: Selection, ids: Ids, origins: Iterable[Presence], retrier: Retrier) -> None:
    common = np.ones(ids.size, bool)
    for presence in origins:
        common &= presence.at(np.arange(ids.size))
    refuse_aliases(retrier.session, selection, ids, ids[common])


def _selection(layout: Layout, retrier: Retrier) -> Selection:
    """The selection of a layout."""
    retrier.notice.begin(lambda: f"the columns and indexes of {layout.source.label}")
    return layout.selection(retrier.session)


def _scan(query: Shared, ids: Ids, retrier: Retrier) -> Scan | None:
    """The scan of a request to a table without an index, or to what the server cannot cut down; None otherwise."""
    session, selection = retrier.session, query.selection
    index = query.layouts[0].missing_index(session)
    if index is None:
        return None if selection.indexed else _uncut(query, ids, retrier)
    retrier.notice.begin(lambda: f"the number of rows of {query.selection.source.label}, which lacks an index")
    rows = session.table_rows(query.selection.source)
    most_ids = session.most_ids(Request(query.selection, ids))
    return Scan(index, rows, min(rows / ids.size, query.rows_per_sample), most_ids)


def _uncut(query: Shared, ids: Ids, retrier: Retrier) -> Scan | None:
    """The scan of a request to a view or selectable of which a single sample takes too long; None if it does not.

    Window functions and groups by a computed key are such: the server makes all rows of them for each request.
    """
    session, request = retrier.session, Request(query.selection, ids)
    retrier.notice.begin(lambda: f"one sample of {query.selection.source.label}")

    def timed() -> tuple[float, int]:
        began = time.perf_counter()
        most_ids = session.most_ids(request)
        return time.perf_counter() - began, most_ids

    seconds, most_ids = timed()
    if TARGET_S < seconds < CERTAIN_S:  # a first answer may have come from a cold disk
        seconds, most_ids = timed()
    if seconds <= TARGET_S:
        return None
    each = min(query.rows_per_sample, float(query.selection.cells))
    return Scan(None, math.ceil(each * ids.size), each, most_ids, seconds)


def _sample_ids(
    options: Options, selections: Mapping[Layout, Selection], counters: Counters, retrier: Retrier
) -> tuple[IdKind, Ids, Mapping[Origin, Presence]]:
    """The kind of the sample ids, the ids, and which of them had rows in the tables that they come from."""
    session = retrier.session
    connections = options.connections if options.address.throttle.limit is None else 1

    def listed(source: Source, column: str) -> Ids:
        retrier.notice.begin(lambda: f"the list of the sample ids in {source.label}.{column}")
        return list_ids(session, options.address, connections, counters, source, column)

    samples, place, origins = options.samples, options.x, dict[Origin, Presence]()
    if samples is not None and not isinstance(samples, Samples):
        (kind, ids), origin = given_ids(samples), "samples"
    elif isinstance(samples, Samples):
        session.check(samples.source, (samples.column,))
        origin = f"{samples.source.label}.{samples.column}"
        ids = listed(samples.source, samples.column)
        kind = session.sample_kind(samples.source, samples.column) or _kind(ids)
    else:
        layouts = list(place.values()) if isinstance(place, Mapping) else [place]
        origin = ", ".join(f"{layout.source.label}.{layout.sample}" for layout in layouts)
        found = {pair: listed(*pair) for pair in dict.fromkeys((layout.source, layout.sample) for layout in layouts)}
        ids = merged(found.values(), origin)
        origins = {pair: Presence.of(found.pop(pair), ids) for pair in list(found)}
        kinds = {selections[layout].id_kind for layout in layouts} - {None}
        kind = (kinds.pop() if len(kinds) == 1 else None) or _kind(ids)
    if not ids.size:
        raise DataError(f"expected at least one sample; got none in {origin}. Fill the table, or check where=.")
    return kind, ids, origins


def _kind(ids: Ids) -> IdKind:
    """The assumed kind of ids whose column is not known."""
    return IdKind.TEXT if ids.dtype.kind == "T" else IdKind.INTEGERS
