"""TLS, on real servers with certificates of their own: encrypted, verified, and as fast a way to read."""

from __future__ import annotations

import hashlib
import os
import ssl

import certificates
import numpy as np
import pytest
import sqlalchemy as sa
from engines import MYSQLS, SERVERS, why_missing

import rowfeed
from rowfeed.dialects.mysql import session as mysql
from rowfeed.dialects.postgresql import session as postgresql

pytestmark = pytest.mark.skipif(certificates.why_missing() is not None, reason=str(certificates.why_missing()))

GRID = rowfeed.Grid("cells", sample="id", axes=("x", "y"), value="v", shape=(4, 4))
CIPHER = {
    "mariadb": "SHOW STATUS LIKE 'Ssl_cipher'",
    "postgresql": "SELECT 'cipher', cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
}
ROWS = {"mariadb": mysql.Session, "postgresql": postgresql.Session}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two authorities, and certificates of 127.0.0.1 and of another host, both signed by the first."""
    directory = tmp_path_factory.mktemp("tls")
    directory.chmod(0o755)
    for name in ("good", "other"):
        certificates.authority(directory, name)
    for host in ("127.0.0.1", "db.example.org"):
        certificates.server(directory, "good", host)
    return directory


@pytest.fixture(scope="module", params=SERVERS)
def server(request, files):
    """The URL of a server with TLS, without options, and with a table of cells that encode (sample, x, y)."""
    return start(request, files, "127.0.0.1")


@pytest.fixture(scope="module", params=SERVERS)
def impostor(request, files):
    """The URL of a server whose certificate is signed well, and is that of another host."""
    return start(request, files, "db.example.org")


def start(request, files, host):
    engine = request.param
    if why := why_missing(engine):
        pytest.skip(why)
    module = SERVERS[engine]
    certificate, key = files / f"{host}.pem", files / f"{host}.key"
    if os.environ.get(module.VARIABLE):
        pytest.skip("a server that was given has certificates that are not ours")
    if engine in MYSQLS:
        context = module.private_server(f"--ssl-cert={certificate}", f"--ssl-key={key}")
    else:
        context = module.private_server(ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key))
    running = context.__enter__()
    request.addfinalizer(lambda: context.__exit__(None, None, None))
    url = sa.make_url(running.url)
    if engine in MYSQLS:
        with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE feeds")
        url = url.set(database="feeds")
    sample, x, y = np.indices((300, 4, 4))
    rowfeed.connect(plain(url)).write(GRID, np.where((sample + x + y) % 3, sample * 100 + x * 10 + y, 0).astype("f4"))
    return url


def engine_of(url):
    return "mariadb" if "mysql" in url.drivername else "postgresql"


def plain(url):
    """Without TLS."""
    return url.update_query_dict({"ssl_disabled": "true"} if engine_of(url) in MYSQLS else {"sslmode": "disable"})


def verified(url, authority):
    """With TLS, the server's certificate and its name verified."""
    if engine_of(url) in MYSQLS:
        return url.update_query_dict({"ssl_ca": str(authority), "ssl_verify_identity": "true"})
    return url.update_query_dict({"sslmode": "verify-full", "sslrootcert": str(authority)})


def cipher(db):
    with db.open() as session:
        return session._execute(sa.text(CIPHER[engine_of(db._address.url)])).one()[1]


def digest(db):
    found = hashlib.sha256()
    feed = rowfeed.Feed(db, x=GRID, batch_size=16, seed=4, memory_bytes=16 * 16 * 64, cache=None)
    for epoch in range(2):
        for batch in feed.batches(epoch):
            found.update(batch.tobytes())
    return found.hexdigest()


def test_the_session_is_encrypted(server, files):
    """With TLS each session has a cipher; without it none."""
    assert cipher(rowfeed.connect(verified(server, files / "good.pem")))
    assert not cipher(rowfeed.connect(plain(server)))


def test_without_options_tls_is_used_and_nothing_loaded_to_verify(server, monkeypatch):
    """A URL that says nothing of TLS is encrypted where the server can, and loads no authorities to ask none."""
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)
    assert cipher(rowfeed.connect(server))


def test_the_same_batches_the_same_way(server, files, monkeypatch):
    """The fast way reads through TLS too, never plain rows, and gives the same bits as without it."""
    without, rows = digest(rowfeed.connect(plain(server))), digest(rowfeed.connect(plain(server), plain_rows=True))
    monkeypatch.setattr(ROWS[engine_of(server)], "_read_rows", None)
    assert digest(rowfeed.connect(verified(server, files / "good.pem"))) == without == rows


def test_another_authority_is_refused(server, files):
    """A certificate that another authority signed is an error that says so, at once."""
    with pytest.raises(rowfeed.DatabaseError, match=r"(?i)certificate verify failed"):
        rowfeed.connect(verified(server, files / "other.pem")).open()


def test_another_host_is_refused(impostor, files):
    """A certificate of another host is an error, unless only the authority is to be verified."""
    with pytest.raises(rowfeed.DatabaseError, match=r"(?i)mismatch|does not match"):
        rowfeed.connect(verified(impostor, files / "good.pem")).open()
    authority = {"ssl_ca": str(files / "good.pem"), "ssl_verify_cert": "true"}
    if engine_of(impostor) == "postgresql":
        authority = {"sslrootcert": str(files / "good.pem"), "sslmode": "verify-ca"}
    assert cipher(rowfeed.connect(impostor.update_query_dict(authority)))


def test_flags_are_what_they_say(server):
    """`false` is not taken for true: TLS stays on, and what is neither true nor false is refused."""
    if engine_of(server) not in MYSQLS:
        pytest.skip("psycopg has no such flags")
    db = rowfeed.connect(server.update_query_dict({"ssl_disabled": "false", "ssl_verify_cert": "false"}))
    assert cipher(db)
    with pytest.raises(rowfeed.ArgumentError, match=r"expected true or false; got ssl_disabled='maybe' in the URL"):
        rowfeed.connect(server.update_query_dict({"ssl_disabled": "maybe"})).open()
