"""What all benchmarks take on the command line, and how they start engines."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import engines
from cases import CASES, SIZES
from provenance import RESULTS


def parser(text: str | None) -> argparse.ArgumentParser:
    """The options that all have."""
    options = argparse.ArgumentParser(description=text)
    options.add_argument("--size", choices=SIZES, default="quick", help="of the tables (default: quick, 1/50)")
    options.add_argument("--engines", nargs="+", choices=engines.ENGINES, default=list(engines.ENGINES))
    options.add_argument("--cache", type=Path, help="where data directories stay for the next run (default: nowhere)")
    options.add_argument("--results", type=Path, default=RESULTS, help="where the JSON goes")
    return options


def add_cases(options: argparse.ArgumentParser) -> None:
    """The option that chooses tables."""
    options.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))


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
