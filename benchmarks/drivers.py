"""Plain DB-API connections, and samples as one row each, for rivals that go by rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import sqlalchemy as sa
from cases import Array, Case
from job import Job

try:
    import MySQLdb as mysql  # noqa: N813
except ImportError:  # it needs a compiler
    import pymysql as mysql

MYSQL_DRIVER = "mysqlclient" if mysql.__name__ == "MySQLdb" else "PyMySQL"

CONCATENATED_BYTES = 2**24

MYSQLS = ("mariadb", "mysql")


def connect(job: Job) -> Any:
    """A new DB-API connection of the engine's usual driver, to read."""
    return open_url(job.engine, job.url)


def open_url(engine: str, url: str, *, read_only: bool = True) -> Any:
    """The same for an engine's URL."""
    place = sa.make_url(url)
    if engine == "sqlite":
        import sqlite3

        mode = "ro" if read_only else "rwc"
        return sqlite3.connect(f"file:{place.database}?mode={mode}", uri=True, check_same_thread=False)
    if engine == "duckdb":
        import duckdb

        return duckdb.connect(place.database, read_only=read_only)
    if engine == "postgresql":
        import psycopg

        return psycopg.connect(
            host=place.host, port=place.port, user=place.username, dbname=place.database, autocommit=not read_only
        )
    return mysql.connect(
        host=place.host,
        port=place.port,
        user=place.username,
        database=place.database or "",
        init_command=f"SET SESSION group_concat_max_len = {CONCATENATED_BYTES}",
    )


def distributions(engine: str, *, sqlalchemy: bool = False) -> list[str]:
    """The distributions that `connect`, or the URL for SQLAlchemy, needs; none for SQLite, which Python brings."""
    own = {"sqlite": [], "duckdb": ["duckdb"], "postgresql": ["psycopg"]}.get(engine, [MYSQL_DRIVER])
    return [
        *(["SQLAlchemy"] if sqlalchemy else []),
        *own,
        *(["duckdb-engine"] if sqlalchemy and engine == "duckdb" else []),
    ]


def sqlalchemy_url(job: Job) -> str:
    """The URL for rivals that take one; aggregated text is not cut off."""
    place = job.place
    if job.engine == "duckdb":
        return f"{job.url}?access_mode=read_only"
    if job.engine not in MYSQLS:
        return job.url
    driver = "mysqldb" if MYSQL_DRIVER == "mysqlclient" else "pymysql"
    start = f"SET SESSION group_concat_max_len = {CONCATENATED_BYTES}"
    return str(place.set(drivername=f"mysql+{driver}").update_query_dict({"init_command": start}))


def exact(job: Job, column: str) -> str:
    """A value column as text protocols print it exactly: MariaDB and MySQL print a FLOAT with 6 digits."""
    return f"CAST({column} AS DOUBLE) AS {column}" if job.engine in MYSQLS and not job.case.cells else column


def values(job: Job) -> str:
    """The value columns, for a SELECT."""
    return ", ".join(exact(job, column) for column in job.case.value_columns)


def select(job: Job) -> str:
    """A query for all rows, the values exact in text too."""
    keys = [column for column in job.case.columns if column not in job.case.value_columns]
    return f"SELECT {', '.join(keys)}, {values(job)} FROM {job.case.table}"


def one_row_each(job: Job) -> str:
    """A query with one row for each sample: its id, and texts of cells and values, or its columns.

    The server aggregates: tools that go by rows have no other way to sparse samples.
    """
    case = job.case
    if not case.cells:
        return select(job)
    cell = f"y * {case.shape[1]} + x"
    joined = {
        "postgresql": "string_agg(({})::text, ',')",
        "sqlite": "group_concat({})",
        "duckdb": "string_agg({}, ',' ORDER BY y, x)",  # several threads
    }.get(job.engine, "GROUP_CONCAT({})")  # cells and values of one pass over the rows, so in one order
    cells, texts = joined.format(cell), joined.format("value")
    return f"SELECT sample, {cells} AS cells, {texts} AS texts FROM {case.table} GROUP BY sample"


def dense(case: Case, rows: dict[str, Sequence[Any]]) -> Array:
    """Rows of `one_row_each`, column by column, into dense samples."""
    if not case.cells:
        return np.stack([np.asarray(rows[name], np.float32) for name in case.value_columns], axis=1)
    texts = list(rows["cells"])
    array = np.zeros((len(texts), prod(case.shape)), np.float32)
    for sample, (cells, values) in enumerate(zip(texts, rows["texts"], strict=True)):
        array[sample, np.fromstring(cells, np.int64, sep=",")] = np.fromstring(values, np.float32, sep=",")
    return array.reshape(-1, *case.shape)
