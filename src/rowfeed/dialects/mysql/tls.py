"""TLS with PyMySQL, as a URL asks for it, with all requested verification.

Two packages handle the options. SQLAlchemy collects `ssl_ca`, `ssl_cert` and `ssl_key`. If PyMySQL then finds
`ssl_verify_cert` or `ssl_verify_identity`, it drops the collected options, and with them the authority: it checks no
host name. And PyMySQL reads the text `false` as true. So one context is made here from all options.
Source: `pymysql.connections.Connection`, PyMySQL 1.1 and 1.2; `sqlalchemy.dialects.mysql.mysqldb`, SQLAlchemy 2.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import sqlalchemy as sa

from rowfeed.errors import ArgumentError
from rowfeed.messages import brief

VERIFY_CERT, VERIFY_IDENTITY, DISABLED = "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"
CHECK_HOSTNAME = "ssl_check_hostname"
OTHERS = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_key_password", "ssl_cipher")
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def options(url: sa.URL) -> tuple[sa.URL, dict[str, Any]]:
    """The URL without the options that PyMySQL mishandles together, and the arguments that replace them."""
    disabled, identity = _flag(url, DISABLED), _flag(url, VERIFY_IDENTITY)
    verify = _flag(url, VERIFY_CERT) or identity
    url = url.difference_update_query([DISABLED])
    if disabled:
        return url, {DISABLED: True}
    if not verify:
        return url.difference_update_query([VERIFY_CERT, VERIFY_IDENTITY]), {}
    given = {name: str(url.query[name]) for name in OTHERS if name in url.query}
    context = ssl.create_default_context(cafile=given.get("ssl_ca"), capath=given.get("ssl_capath"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # authorities that servers create for themselves are not strict
    context.check_hostname = identity or _flag(url, CHECK_HOSTNAME)
    if "ssl_cipher" in given:
        context.set_ciphers(given["ssl_cipher"])
    if "ssl_cert" in given:
        context.load_cert_chain(given["ssl_cert"], given.get("ssl_key"), given.get("ssl_key_password"))
    return url.difference_update_query([*OTHERS, CHECK_HOSTNAME, VERIFY_CERT, VERIFY_IDENTITY]), {"ssl": context}


@cache
def sharing_class(pymysql: Any) -> Any:
    """PyMySQL's class of connections. All of them share one context if they verify nothing.

    PyMySQL 1.1 goes on without TLS if TLS was asked for and a server says that it has none; here that is an error.

    They share one when a URL says nothing of TLS: PyMySQL (1.2) then encrypts if the server can. For each connection it
    makes a context and loads all authorities of the system into it, but uses none of them: 25 ms (measured).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    class Connection(pymysql.connections.Connection):  # type: ignore[misc]
        def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
            return super()._create_ssl_ctx(options) if options else context

        def _request_authentication(self) -> None:
            wanted = self.ssl and getattr(self, "_ssl_required", True)  # new in PyMySQL 1.2, which may only prefer TLS
            if wanted and not self.server_capabilities & pymysql.constants.CLIENT.SSL:
                raise pymysql.err.OperationalError(2026, "SSL is required but the server doesn't support it")
            super()._request_authentication()

    return Connection


def _flag(url: sa.URL, name: str) -> bool:
    value = str(url.query.get(name, "false"))
    if value.lower() not in TRUE + FALSE:
        raise ArgumentError(f"expected true or false; got {name}={brief(value)} in the URL. Write {name}=true.")
    return value.lower() in TRUE
