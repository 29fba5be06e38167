"""One file per rival, all of one shape.

- `NAME`: how the tables call it.
- `ORDER`: the order that it gives samples in, in a few words.
- `PROCESSES`: whether it starts processes of its own.
- `version()`: the distributions that it uses, with their versions.
- `supports(engine, case)`: None, or the reason why it cannot do that.
- `start()` and `close()`, if it has processes that outlive an epoch.
- `batches(job)`: an epoch, as tuples of float32 arrays: `(x,)`, or `(x, label)`.

Each does it as its own documentation would, or better if that is known to be slow. rowfeed is one of them.
"""

from __future__ import annotations

from importlib import import_module, metadata
from types import ModuleType

RIVALS = (
    "rowfeed",
    "connectorx",
    "adbc",
    "duckdb",
    "pandas",
    "ray",
    "huggingface",
    "tensorflow",
    "scdataset",
    "sqlgrain",
    "torch",
    "blog",
)
"""The files, fastest ways first."""

WINDOWS = "blocks, a window of at most 131,072 mixed"
"""`ORDER` of those that read rowfeed's own windows."""


def load(rival: str) -> ModuleType:
    """The module of a rival, with its imports."""
    return import_module(f"rivals.{rival}")


def versions(*distributions: str) -> dict[str, str]:
    """The installed versions."""
    return {name: metadata.version(name) for name in distributions}
