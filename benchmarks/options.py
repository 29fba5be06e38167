"""The options that benchmarks share, and how they start engines."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from cases import CASES, SIZES, Case
from provenance import RESULTS
from servers import Engine


def parser(text: str | None, *, results: bool = True) -> argparse.ArgumentParser:
    """The options that all have; those about results only if the benchmark keeps them."""
    options = argparse.ArgumentParser(description=text)
    options.add_argument("--size", choices=SIZES, default="quick", help="of the tables (default: quick, 1/50)")
    options.add_argument("--engines", nargs="+", choices=servers.ENGINES, default=list(servers.ENGINES))
    options.add_argument("--cache", type=Path, help="where data directories stay for the next run (default: nowhere)")
    if results:
        options.add_argument("--results", type=Path, default=RESULTS, help="where the JSON Lines are")
        options.add_argument("--fresh", action="store_true", help="remove the results of this benchmark first")
    return options


def add_cases(options: argparse.ArgumentParser, *cases: str) -> None:
    """The option that chooses tables; the default is these, or all."""
    options.add_argument("--cases", nargs="+", choices=CASES, default=list(cases or CASES))


@contextmanager
def cache(given: Path | None) -> Iterator[Path]:
    """The directory for data, which other users can enter; a temporary one ends with the context.

    SIGTERM leaves contexts as Ctrl-C does, so that no server stays behind.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="rowfeed-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def loaded(arguments: argparse.Namespace, cases: list[str]) -> Iterator[tuple[Engine, Case]]:
    """Each engine with each case, whose table is filled and warm."""
    with cache(arguments.cache) as directory:
        for name in arguments.engines:
            with servers.start(name, directory) as engine:
                for case in (CASES[case].sized(arguments.size) for case in cases):
                    engine.load(case)
                    engine.aggregate(case)
                    yield engine, case
