"""What a message shows of a value: enough to recognise it, and nothing that may be a secret.

The likeliest first mistake is a URL, with its password, in the place of another argument. So every value that was given
goes through `brief` on its way into a message; and of a public function that raises, no frame keeps its arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

SECRET = re.compile(
    r"passw(or)?d|passphrase|passcode|pwd|secret|token|credential|api_?key|scram_\w+_key", re.IGNORECASE
)
"""Parts of the names of options with secret values: `pwd`, `sslpassword`, `motherduck_token`."""

ASSIGNED = re.compile(rf"(?i:{SECRET.pattern})\w*\s*=")
"""Such an option inside another text: `odbc_connect=…;PWD=…`."""

HIDDEN = "***"

LONGEST = 40
"""The most characters of a value in a message."""

LONGEST_ID = 200
"""The most characters of a sample id: it should be found again."""

MOST = 6
"""The most elements of a container in a message."""

_NAMED = re.compile(rf"(?i:{SECRET.pattern})\w*['\"]?\s*[=:]")
_LOGIN = re.compile(r":[^\s'\"]*@|://", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}(:[a-z]{1,20})?://)")

FORGETFUL = {"rowfeed", "dataclasses", "numpy", "sqlalchemy"}
"""The packages whose frames get the arguments of a public function."""

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


def brief(value: Any, longest: int = LONGEST) -> str:
    """A value for messages: a long one is cut, and what may hold a secret is named, not shown."""
    if isinstance(value, str):
        return _text(value, longest)
    if isinstance(value, Decimal):
        return _cut(str(value), longest)
    if isinstance(value, Mapping):
        return _mapping(value)
    if type(value) in _BRACKETS and value:
        return _container(value)
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"<{type(value).__name__} of shape {shape}>"
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return f"<{type(value).__name__}>" if may_hold_secret(text) else _cut(text, longest)


def is_url(text: str) -> bool:
    """Whether a text is a URL: never the name of a table, nor SQL."""
    return bool(_SCHEME.match(text.lstrip()))


def may_hold_secret(text: str) -> bool:
    """Whether a text looks like a URL, a login or an option with a secret value."""
    return bool(_LOGIN.search(text) or _NAMED.search(text))


def redacted(text: str) -> str:
    """A typed text, which may contain URLs, without the parts that look like a password."""
    text = re.sub("(://[^:/@]*:).*@", rf"\1{HIDDEN}@", text, flags=re.DOTALL)
    text = re.sub(r"(\b[\w.-]+:(?!//))[^\s'\"]*@", rf"\1{HIDDEN}@", text)
    return re.sub(rf"(?:{ASSIGNED.pattern})[^&\s]*", lambda found: f"{found[0].partition('=')[0]}={HIDDEN}", text)


def discreet(function: Callable[P, R]) -> Callable[P, R]:
    """A public function, of whose arguments no frame keeps anything if it raises.

    Tools that show the local variables of a traceback would show a password among them. Frames of the user's code stay.
    """

    @wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except Exception as error:
            del arguments, options
            _forget_locals(error)
            raise

    return call


def discreetly_made(kind: type[C]) -> type[C]:
    """A class whose constructor is discreet."""
    setattr(kind, "__init__", discreet(getattr(kind, "__init__")))  # noqa: B009, B010 - as a method it has no type
    return kind


def linked(error: BaseException) -> Iterator[BaseException]:
    """An exception, its causes, its contexts and the drivers' originals, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            left += [current.__cause__, current.__context__, getattr(current, "orig", None)]
            yield current


def _forget_locals(error: BaseException) -> None:
    for current in linked(error):
        place = current.__traceback__
        while place is not None:
            if place.tb_frame.f_globals.get("__name__", "").partition(".")[0] in FORGETFUL:
                with suppress(RuntimeError):  # it is still running
                    place.tb_frame.clear()
            place = place.tb_next


def _text(text: str, longest: int) -> str:
    if not may_hold_secret(text):
        return _cut(repr(text), longest)
    scheme = _SCHEME.match(text)
    return repr(f"{scheme[1]}…") if scheme else "<text that may hold a password>"


def _mapping(value: Mapping[Any, Any]) -> str:
    shown = [
        f"{brief(key)}: {HIDDEN if isinstance(key, str) and SECRET.search(key) else brief(item)}"
        for key, item in list(value.items())[:MOST]
    ]
    return f"{{{', '.join(shown + ['...'] * (len(value) > MOST))}}}"


_BRACKETS: dict[type[Any], str] = {list: "[{}]", tuple: "({})", set: "{{{}}}", frozenset: "{{{}}}"}


def _container(value: Any) -> str:
    shown = [brief(item) for item in list(value)[:MOST]] + ["..."] * (len(value) > MOST)
    last = "," * (type(value) is tuple and len(value) == 1)
    return _BRACKETS[type(value)].format(", ".join(shown) + last)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
