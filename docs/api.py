"""Writes api.md beside this file: every public name, from its docstring. `make docs` runs it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rowfeed
import rowfeed.keras

PAGE = Path(__file__).with_suffix(".md")

HEAD = """\
# API

Every public name of rowfeed, from its docstring. The [README](../README.md) shows them at work.

The examples run from top to bottom, in an empty folder, after

```sh
rowfeed populate sqlite:///games.db
```

```python
import numpy
import rowfeed
```
"""

PLACES = {
    "Connecting": ("connect", "Database"),
    "Layouts": ("Grid", "Columns"),
    "Feeds": ("Samples", "Feed"),
}
"""Where a name stands. Exceptions have a part of their own; all others are types."""

OPERATORS = {"__len__": "len({})", "__iter__": "iter({})", "__getitem__": "{}[index]"}

LIST, PROSE = ("Args", "Raises"), ("Returns", "Yields", "Cost", "Example", "Source")
SECTION = re.compile(rf"^({'|'.join(LIST + PROSE)}):$", re.MULTILINE)
ITEM = re.compile(r"^(\S.*?):(?=\s)", re.MULTILINE)


def page() -> str:
    """The text of the page."""
    placed = {name for names in PLACES.values() for name in names}
    others = [name for name in rowfeed.__all__ if name not in placed]
    errors = {name for name in others if issubclass(getattr(rowfeed, name), (Exception, Warning))}
    parts = {
        **PLACES,
        "Types": [name for name in others if name not in errors],
        "Errors": sorted(errors, key=lambda name: (name != "Error", name)),
    }
    texts = [HEAD]
    for title, names in parts.items():
        if names:
            texts += [f"## {title}\n", *(text for name in names for text in _name("rowfeed", getattr(rowfeed, name)))]
    texts += ["## rowfeed.keras\n", _markdown(rowfeed.keras)]
    texts += [t for name in rowfeed.keras.__all__ for t in _name("rowfeed.keras", getattr(rowfeed.keras, name))]
    return "\n".join(texts)


def _name(module: str, thing: Any) -> Iterator[str]:
    """A function, or a class and its members, each with a heading."""
    name = f"{module}.{thing.__name__}"
    yield f"### {name}\n"
    if not isinstance(thing, type):
        yield _signature(name, thing)
    elif issubclass(thing, (Exception, Warning)):
        bases = ", ".join(base.__name__ for base in thing.__bases__)
        yield f"```py\n{thing.__name__}({bases})\n```\n"
    elif "Args:" in inspect.getdoc(thing):  # others are made by rowfeed
        yield _signature(name, thing)
    yield _markdown(thing)
    if isinstance(thing, type):
        for key, member in vars(thing).items():
            shown = inspect.isfunction(member) or isinstance(member, property)
            if shown and member.__doc__ and (not key.startswith("_") or key in OPERATORS):
                yield from _member(thing.__name__, key, member)


def _member(owner: str, name: str, member: Any) -> Iterator[str]:
    thing = re.sub("(?<=[a-z])(?=[A-Z])", "_", owner).lower()
    if name in OPERATORS:
        heading = OPERATORS[name].format(thing)
    else:
        heading = f"{thing}.{name}" + ("" if isinstance(member, property) else _arguments(member, bound=True))
    yield f"#### `{heading}`\n"
    yield _markdown(member)


def _signature(name: str, thing: Any) -> str:
    """A call with all arguments. Fenced as `py`: a test runs only blocks of `python`."""
    text = _arguments(thing)
    if len(name + text) > 100:
        text = "(\n    " + re.sub(", (?=[a-z_*])", ",\n    ", text[1:-1]) + ",\n)"
    return f"```py\n{name}{text}\n```\n"


def _arguments(thing: Any, bound: bool = False) -> str:
    """Names and defaults, as a call has them."""
    parameters = [p.replace(annotation=p.empty) for p in inspect.signature(thing).parameters.values()][bound:]
    text = str(inspect.Signature(parameters)).replace("'", '"')
    return re.sub(r"\d{5,}", lambda digits: f"{int(digits[0]):_}", text)


def _markdown(thing: Any) -> str:
    """A docstring whose sections are lists and paragraphs."""
    lead, *rest = SECTION.split(inspect.getdoc(thing))
    texts = [lead]
    for title, text in zip(rest[::2], rest[1::2], strict=True):
        text = inspect.cleandoc(text)
        if title in LIST:
            text = ITEM.sub(r"- **`\1`**:", re.sub(r"\n +", "\n  ", text))
        if text.startswith(">>>"):
            text = f"```pycon\n{text}\n```"
        texts.append(f"**{title}**\n\n{text}")
    return "\n\n".join(text.strip() for text in texts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
