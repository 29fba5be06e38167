"""Every driver of MariaDB and MySQL that is installed, on both servers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
import sqlalchemy as sa
from engines import MYSQLS
from proxy import Proxy

import rowfeed

MODULES = {
    "pymysql": "pymysql",
    "mysqldb": "MySQLdb",
    "mysqlconnector": "mysql.connector",
    "mariadbconnector": "mariadb",
}
DRIVERS = [driver for driver, module in MODULES.items() if find_spec(module.partition(".")[0])]
DATABASE = "rowfeed_drivers"
COLUMNS = rowfeed.Columns("t", sample="id", columns="v")

CUTS = (0, 1, 5, 40, 78, 90, 110, 140, 250, 400)
"""After how many bytes of the server the network falls silent: in the greeting, in the answer to the password, in what
SQLAlchemy and rowfeed ask at first."""


@pytest.fixture(scope="module", params=MYSQLS)
def url(request):
    """A server with a table of texts."""
    admin = request.getfixturevalue(request.param)
    with sa.create_engine(admin, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {DATABASE}")
        connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
        kind = "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY"
        connection.exec_driver_sql(f"CREATE TABLE {DATABASE}.t (id {kind}, v DOUBLE, bits BIT(5))")
        connection.exec_driver_sql(f"INSERT INTO {DATABASE}.t VALUES ('a🙂', 1.5, 3), ('a🙃', 2.5, 4), ('é', 3.5, 5)")
        yield admin.difference_update_query(["ssl_disabled"]).set(database=DATABASE)
        connection.exec_driver_sql(f"DROP DATABASE {DATABASE}")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
def test_every_driver_reads_the_same(url, driver, engine):
    """Whichever engine and character set the URL names: nothing is lost, and a second connection is as good."""
    db = rowfeed.connect(url.set(drivername=f"{engine}+{driver}").update_query_dict({"charset": "latin1"}), retry_s=0)
    for _ in range(2):
        feed = rowfeed.Feed(db, COLUMNS, shuffle=False)
        assert feed.sample_ids.tolist() == ["a🙂", "a🙃", "é"]
        assert feed.arrays().tolist() == [1.5, 2.5, 3.5]
    bits = rowfeed.Columns("t", sample="id", columns="bits", dtype="int8")
    assert rowfeed.Feed(db, bits, shuffle=False).arrays().tolist() == [3, 4, 5]


@pytest.mark.parametrize("driver", DRIVERS)
def test_silence_at_any_byte_while_a_connection_opens(url, driver):
    """Wherever the silence begins, it is an error soon after timeout_s."""

    def opened(cut):
        with Proxy(url.host, url.port, cut) as proxy:
            silent = url.set(drivername=f"mysql+{driver}", host="127.0.0.1", port=proxy.port)
            began = time.monotonic()
            with pytest.raises(rowfeed.DatabaseError, match=r"expected (an answer|a server)"):
                rowfeed.Feed(rowfeed.connect(silent, timeout_s=0.4, retry_s=0), COLUMNS)
            return time.monotonic() - began

    with ThreadPoolExecutor(len(CUTS)) as pool:
        assert max(pool.map(opened, CUTS)) < 15  # on a busy machine


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_socket_of_a_connection(url, driver):
    """It is found for each driver, and what waits for it ends."""
    with rowfeed.connect(url.set(drivername=f"mysql+{driver}")).open() as session:
        assert session._socket.found
        session.interrupt()
        with pytest.raises(rowfeed.DatabaseError):
            session.table_rows(COLUMNS.source)


def test_writing_by_every_driver(url):
    """What one driver writes, all of them read."""
    written = rowfeed.Columns("w", sample="id", columns="v", dtype="float64")
    for driver in DRIVERS:
        db = rowfeed.connect(url.set(drivername=f"mysql+{driver}"))
        db.write(written, np.array([0.5, 1e-300]), ids=["é", "한"], if_exists="replace")
        assert rowfeed.Feed(db, written, shuffle=False).arrays().tolist() == [0.5, 1e-300]
