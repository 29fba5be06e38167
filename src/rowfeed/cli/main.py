"""The command line: runs a command and turns what went wrong into a line and an exit code.

What a command needs is loaded when it runs, so that `rowfeed --help` is fast.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowfeed.cli.arguments import parsed
from rowfeed.cli.backend import choose_backend
from rowfeed.cli.train.recipe import DIGITS, Recipe
from rowfeed.errors import Error, MissingIndexWarning

if TYPE_CHECKING:
    from rowfeed.database.database import Database
    from rowfeed.feed.samples import Samples
    from rowfeed.layouts.columns import Columns
    from rowfeed.layouts.grid import Grid


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name. None: those of this process.

    Returns:
        The exit code.
    """
    options = parsed(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that knows no box drawing gets question marks
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", MissingIndexWarning)
            warnings.showwarning = _warn(set())
            {"demo": _demo, "populate": _populate, "train": _train, "bench": _bench}[options.command](options)
            sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # Whoever read the output has enough. What is still in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return _failed(options, "interrupted", 130)
    except (Error, OSError) as error:
        return _failed(options, f"error: {error}", 1)


def _warn(said: set[str]) -> Callable[..., None]:
    """Shows a warning as one line, each once."""

    def show(message: Warning | str, *_: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"rowfeed: warning: {' '.join(str(message).split())}", file=sys.stderr, flush=True)

    return show


def _failed(options: argparse.Namespace, text: str, code: int) -> int:
    if options.traceback:
        traceback.print_exc()
    print(f"rowfeed: {' '.join(text.split())}", file=sys.stderr, flush=True)
    return code


def _say(line: str) -> None:
    print(line, flush=True)


def _on_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


# The commands


def _demo(options: argparse.Namespace) -> None:
    choose_backend(options.backend)
    from rowfeed.cli.demo import demo

    recipe = replace(DIGITS, epochs=options.epochs)
    db = demo(options.out, options.url, recipe, _say, _on_terminal())
    users = f"sqlite:///{options.out / 'users.db'}"
    backend = ("--backend", options.backend) if options.backend else ()
    _say("\nTry next:")
    _say(_command("populate", users, "--samples", "20000", "--if-exists", "replace"))
    matrices = _grid_words("USER_MATRIX", "user_id", "x,y", (4, 4), "USER_MATRIX_USERS")
    _say(_command("train", users, *matrices, "--noise", "1", "--out", options.out / "users", *backend))
    digits = _grid_words("DIGIT_MATRIX", "digit_id", "y,x", (8, 8), "DIGIT_LABEL")
    _say(_command("train", db.public_url, *digits, "--noise", "2", "--out", options.out / "noisier", *backend))
    _mention_password(db)


def _grid_words(table: str, sample: str, axes: str, shape: Sequence[int], samples_table: str) -> Sequence[str]:
    sides = ",".join(str(side) for side in shape)
    columns = ("--sample", sample, "--axes", axes, "--value", "value", "--shape", sides)
    return "--table", table, *columns, "--samples-table", samples_table


def _populate(options: argparse.Namespace) -> None:
    from rowfeed.cli.populate import Population
    from rowfeed.database.database import connect

    db = connect(options.url)
    users_table = options.users_table or f"{options.table}_USERS"
    population = Population(
        options.table, users_table, options.samples, options.shape, options.density, options.empty, options.seed
    )
    progress: Callable[[int], None] = _count_up(options.samples) if _on_terminal() else lambda written: None
    rows = population.write(db, options.if_exists, progress)
    _say(
        f"Wrote {options.samples:,} users into {db.label}: {rows:,} rows in {options.table}, "
        f"all users in {users_table}."
    )
    _say("The cells are random: a model can draw each toward its mean, and do no more. For pictures: rowfeed demo.")
    if len(options.shape) == 2:
        _say("\nTry next:")
        matrices = _grid_words(options.table, "user_id", "x,y", options.shape, users_table)
        _say(_command("train", db.public_url, *matrices, "--noise", "1"))
        _mention_password(db)


def _count_up(samples: int) -> Callable[[int], None]:
    def show(written: int) -> None:
        print(f"\r{written:,} of {samples:,} users", end="\n" if written == samples else "", flush=True)

    return show


def _train(options: argparse.Namespace) -> None:
    choose_backend(options.backend)
    from rowfeed.cli.train.study import Study
    from rowfeed.database.database import connect

    recipe = Recipe(
        options.epochs,
        options.batch_size,
        options.learning_rate,
        options.noise,
        options.value_range,
        options.validation,
        options.seed,
    )
    noun = f"samples of {options.table}"
    limits = _given(options, "throttle", "memory_bytes", "max_scanned_rows")
    study = Study(connect(options.url), _grid(options), _samples(options), recipe, options.out, noun, limits=limits)
    study.run(_say, _on_terminal())


def _bench(options: argparse.Namespace) -> None:
    if options.model:
        choose_backend(options.backend)
    from rowfeed.cli.bench.bench import Bench
    from rowfeed.database.database import connect

    Bench(
        connect(options.url),
        _columns(options) if options.columns else _grid(options),
        _samples(options),
        options.batch_size,
        options.connections,
        options.memory_bytes,
        bool(options.model),
        options.seconds,
        options.out,
        limits=_given(options, "max_scanned_rows"),
    ).run(_say)


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those arguments of a feed that the command line has."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _grid(options: argparse.Namespace) -> Grid:
    from rowfeed.layouts.grid import Grid

    return Grid(
        options.table,
        sample=options.sample,
        axes=options.axes,
        value=options.value if len(options.value) > 1 else options.value[0],
        shape=options.shape,
        duplicates=options.duplicates,
        out_of_range=options.out_of_range,
        null=options.null,
        where=options.where,
    )


def _columns(options: argparse.Namespace) -> Columns:
    from rowfeed.layouts.columns import Columns

    names = options.columns if len(options.columns) > 1 else options.columns[0]
    return Columns(options.table, sample=options.sample, columns=names, null=options.null, where=options.where)


def _samples(options: argparse.Namespace) -> Samples | None:
    from rowfeed.feed.samples import Samples

    return Samples(options.samples_table, options.samples_column or options.sample) if options.samples_table else None


def _mention_password(db: Database) -> None:
    if db._address.url.password:
        _say(f"The password is left out here: put it into the environment variable {db._address.password_from}.")


def _command(*words: object) -> str:
    """A line to paste: with the way in which this program was started."""
    started, on_path = Path(sys.argv[0]), shutil.which("rowfeed")
    if started.stem != "rowfeed" or not started.exists():
        program = [sys.executable, "-m", "rowfeed"]
    elif on_path and started.samefile(on_path):
        program = ["rowfeed"]
    else:
        program = [str(started)]
    return "  " + shlex.join([*program, *(str(word) for word in words)])
