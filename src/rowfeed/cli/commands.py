"""The commands, with their arguments and their start. Imports for a command are made when it runs: help is fast."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowfeed.cli.arguments import EXIT_CODES, URL, Command, Option, backend, memory_bytes, out, reading, section
from rowfeed.cli.backend import choose_backend
from rowfeed.cli.train.recipe import DIGITS, Recipe
from rowfeed.cli.types import COUNT, POSITIVE, SEED, SHARE, Number, shape, span

if TYPE_CHECKING:
    from rowfeed.database.database import Database
    from rowfeed.feed.samples import Samples
    from rowfeed.layouts.columns import Columns
    from rowfeed.layouts.grid import Grid

RECIPE = Recipe()


def _say(line: str) -> None:
    print(line, flush=True)


def _on_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


@click.group(
    epilog=f"\b\n{EXIT_CODES}\n\nrowfeed COMMAND --help says more of each.",
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("rowfeed"), prog_name="rowfeed", message="%(prog)s %(version)s")
def program() -> None:
    """Train models straight from your SQL database."""


@program.command(
    cls=Command,
    params=[
        out("rowfeed-demo"),
        Option("--epochs N", "passes over the data", COUNT, default=DIGITS.epochs),
        Option(
            "--url URL",
            "a database to write the tables into, where DIGIT_MATRIX and DIGIT_LABEL are replaced",
            unset="DIR/digits.db",
        ),
        backend(),
    ],
    examples="""\
  rowfeed demo
  rowfeed demo --out digits --epochs 80 --backend torch
  rowfeed demo --url postgresql+psycopg://me@localhost/play
""",
)
def demo(out: Path, epochs: int, url: str | None, backend: str | None) -> None:
    """Train on real handwritten digits, in about a minute.

    Writes scikit-learn's 1,797 handwritten digits into a database, trains a denoising autoencoder from it, and leaves
    model.keras, history.png, denoised.png and report.html in a directory.
    """
    choose_backend(backend)
    from rowfeed.cli.demo import demo

    db = demo(out, url, replace(DIGITS, epochs=epochs), _say, _on_terminal())
    users = f"sqlite:///{out / 'users.db'}"
    chosen = ("--backend", backend) if backend else ()
    _say("\nTry next:")
    _say(_line("populate", users, "--samples", "20000", "--if-exists", "replace"))
    matrices = _grid_words("USER_MATRIX", "user_id", "x,y", (4, 4), "USER_MATRIX_USERS")
    _say(_line("train", users, *matrices, "--noise", "1", "--out", out / "users", *chosen))
    digits = _grid_words("DIGIT_MATRIX", "digit_id", "y,x", (8, 8), "DIGIT_LABEL")
    _say(_line("train", db.public_url, *digits, "--noise", "2", "--out", out / "noisier", *chosen))
    _mention_password(db)


@program.command(
    cls=Command,
    params=[
        URL,
        Option("--table TABLE", "the table of cells: user_id, x, y, value", default="USER_MATRIX"),
        Option("--users-table TABLE", "the table of all users: user_id, cells", unset="the table's name with _USERS"),
        Option("--samples N", "how many users", COUNT, default=1_000),
        Option("--shape H,W", "sides of a matrix, 1 to 4 of them", shape(1, 4), default="4,4"),
        Option("--density S", "share of the cells that have a row", SHARE, default=0.3),
        Option("--empty S", "share of the users who have no row", SHARE, default=0.02),
        Option("--seed N", "another seed, other values", SEED, default=0),
        Option(
            "--if-exists",
            "what to do with tables of these names; append adds users after the last one",
            click.Choice(("fail", "append", "replace")),
            default="fail",
        ),
    ],
    examples="""\
  rowfeed populate sqlite:///users.db
  rowfeed populate sqlite:///users.db --samples 1000000 --if-exists replace
  rowfeed populate mysql+pymysql://me@localhost/play --table BOARDS --shape 8,8 --density 0.1
""",
)
def populate(url: str, users_table: str | None, if_exists: str, **given: Any) -> None:
    """Fill a table with random user matrices.

    Writes users who each have a matrix of random integers from -7 to 17. A cell that is 0 has no row, and some users
    have none at all; a second table lists all users. Needs memory for a chunk, however many users there are.

    Random cells have nothing to do with each other: the table shows how rowfeed reads and trains, not how well a model
    denoises. None can do more than pull each cell toward its mean; `rowfeed demo` has real pictures.
    """
    from rowfeed.cli.populate import Population
    from rowfeed.database.database import connect

    db = connect(url)
    new = Population(users_table=users_table or f"{given['table']}_USERS", **given)
    progress: Callable[[int], None] = _count_up(new.samples) if _on_terminal() else lambda written: None
    rows = new.write(db, if_exists, progress)
    _say(f"Wrote {new.samples:,} users into {db.label}: {rows:,} rows in {new.table}, all users in {new.users_table}.")
    _say("The cells are random: a model can pull each toward its mean, and do no more. For pictures: rowfeed demo.")
    if len(new.shape) == 2:
        _say("\nTry next:")
        matrices = _grid_words(new.table, "user_id", "x,y", new.shape, new.users_table)
        _say(_line("train", db.public_url, *matrices, "--noise", "1"))
        _mention_password(db)


@program.command(
    cls=Command,
    params=[
        URL,
        *section(
            "What to read",
            *reading(axes=2),
            Option(
                "--throttle N",
                "spare the server: up to 1 a share of time, such as 0.25; above 1 rows per second",
                POSITIVE,
                unset="no limit",
            ),
            memory_bytes(),
        ),
        *section(
            "How to train",
            Option("--epochs N", "passes over the data", COUNT, default=RECIPE.epochs),
            Option("--batch-size N", "samples in a batch", COUNT, default=RECIPE.batch_size),
            Option("--learning-rate R", "Adam's, at the start", POSITIVE, default=RECIPE.learning_rate),
            Option(
                "--noise S",
                "standard deviation of the noise, in units of the data's own, or of the value range",
                Number(0),
                default=RECIPE.noise,
            ),
            Option(
                "--value-range LO,HI",
                "what values there can be, such as -7,17; the model then never leaves it",
                span,
                unset="no bounds",
            ),
            Option(
                "--validation S",
                "share of the samples to judge by, and not to train on",
                Number(0, 1, min_open=True, max_open=True),
                default=RECIPE.validation,
            ),
            Option("--seed N", "of order, noise and first weights", SEED, default=RECIPE.seed),
            backend(),
        ),
        out("rowfeed-train"),
    ],
    examples="""\
  rowfeed train sqlite:///users.db --table USER_MATRIX --sample user_id --axes x,y --value value --shape 4,4
  rowfeed train sqlite:///rowfeed-demo/digits.db --table DIGIT_MATRIX --sample digit_id --axes y,x \\
      --value value --shape 8,8 --samples-table DIGIT_LABEL --value-range 0,16 --epochs 40
  rowfeed train mysql+pymysql://reader@host/shop --table shop.pixels --sample id --axes y,x --value r,g,b \\
      --shape 32,32 --where "id < 100000" --batch-size 128
""",
)
def train(url: str, out: Path, backend: str | None, **given: Any) -> None:
    """Train a denoising autoencoder on a table of yours.

    The table has a row for each cell of a picture or matrix, and is only read. Leaves model.keras, history.png,
    denoised.png and report.html in a directory; after Ctrl-C, model.keras as it was after the last whole epoch.

    model.keras loads after `import rowfeed.keras`, with `keras.saving.load_model("…/model.keras")`.
    """
    choose_backend(backend)
    from rowfeed.cli.train.study import Study
    from rowfeed.database.database import connect

    recipe = Recipe(**_some(given, *(field.name for field in fields(Recipe))))
    db = connect(url, **_some(given, "throttle", "max_scanned_rows"))
    noun, memory = f"samples of {given['table']}", _some(given, "memory_bytes")
    Study(db, _grid(given), _samples(given), recipe, out, noun, **memory).run(_say, _on_terminal())


@program.command(
    cls=Command,
    params=[
        URL,
        *section("What to read", *reading()),
        *section(
            "How to feed",
            Option("--batch-size N", "samples in a batch", COUNT, default=RECIPE.batch_size),
            Option(
                "--connections N",
                "of a feed; 1, or 2 if it is 1, is tried too if reading is the limit",
                COUNT,
                default=2,
            ),
            memory_bytes(),
            Option("--model", "measure training as well, of what train trains", click.Choice(("autoencoder",))),
            backend(),
        ),
        Option("--seconds S", "about how long to measure; starting and compiling come on top", POSITIVE, default=10.0),
        out("rowfeed-bench", "where to leave both files"),
    ],
    examples="""\
  rowfeed bench sqlite:///users.db --table USER_MATRIX --sample user_id --axes x,y --value value --shape 4,4
  rowfeed bench mysql+pymysql://reader@host/shop --table shop.pixels --sample id --axes y,x --value r,g,b \\
      --shape 32,32 --batch-size 128 --model autoencoder
  rowfeed bench postgresql+psycopg://reader@host/shop --table features --sample id --columns age,income,visits
""",
)
def bench(url: str, backend: str | None, model: str | None, **given: Any) -> None:
    """Measure where the time goes, on a table of yours.

    Reads the table as training would, measures each stage on the way, and says which one is the bottleneck and what to
    change. Leaves bench.json and bench.png in a directory.
    """
    if complaint := _wrong_bench(model, **given):
        click.get_current_context().fail(complaint)
    if model:
        choose_backend(backend)
    from rowfeed.cli.bench.bench import Bench
    from rowfeed.database.database import connect

    Bench(
        connect(url, **_some(given, "max_scanned_rows")),
        _columns(given) if given["columns"] else _grid(given),
        _samples(given),
        model=bool(model),
        **_some(given, "batch_size", "connections", "memory_bytes", "seconds", "out"),
    ).run(_say)


def _wrong_bench(model: str | None, columns: Any, **given: Any) -> str | None:
    missing = [f"--{name}" for name in ("axes", "value", "shape") if not given[name]]
    if columns and len(missing) < 3:
        return "--axes, --value and --shape: not allowed with --columns"
    if columns and model:
        return "--model: the autoencoder takes a grid, --axes, --value and --shape, not --columns"
    if columns and (given["duplicates"], given["out_of_range"], given["null"] == "drop") != ("error", "error", False):
        return "--duplicates, --out-of-range and --null drop: only for a grid, not with --columns"
    if not columns and missing:
        return f"required: {', '.join(missing)}; or --columns instead"
    if not columns and len(given["axes"]) != len(given["shape"]):
        return f"--shape: expected a side for each of {len(given['axes'])} axes; got {len(given['shape'])}"
    if model and len(given["shape"]) != 2:
        return f"--model: the autoencoder takes two axes; got {len(given['shape'])}"
    return None


def _some(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """The named arguments that the command line has."""
    return {name: given[name] for name in names if given[name] is not None}


def _grid(given: dict[str, Any]) -> Grid:
    from rowfeed.layouts.grid import Grid

    options = _some(given, "table", "sample", "axes", "shape", "duplicates", "out_of_range", "null", "where")
    return Grid(value=_one_or_all(given["value"]), **options)


def _columns(given: dict[str, Any]) -> Columns:
    from rowfeed.layouts.columns import Columns

    return Columns(columns=_one_or_all(given["columns"]), **_some(given, "table", "sample", "null", "where"))


def _one_or_all(names: Sequence[str]) -> Any:
    return names if len(names) > 1 else names[0]


def _samples(given: dict[str, Any]) -> Samples | None:
    from rowfeed.feed.samples import Samples

    table, column = given["samples_table"], given["samples_column"] or given["sample"]
    return Samples(table, column) if table else None


def _count_up(samples: int) -> Callable[[int], None]:
    def show(written: int) -> None:
        print(f"\r{written:,} of {samples:,} users", end="\n" if written == samples else "", flush=True)

    return show


def _mention_password(db: Database) -> None:
    if db._address.url.password:
        _say(f"The password is left out here: put it into the environment variable {db._address.password_from}.")


def _grid_words(table: str, sample: str, axes: str, shape: Sequence[int], samples_table: str) -> Sequence[str]:
    sides = ",".join(str(side) for side in shape)
    columns = ("--sample", sample, "--axes", axes, "--value", "value", "--shape", sides)
    return "--table", table, *columns, "--samples-table", samples_table


def _line(*words: object) -> str:
    """A line to paste, which starts the program in the same way as now."""
    started, on_path = Path(sys.argv[0]), shutil.which("rowfeed")
    if started.stem != "rowfeed" or not started.exists():
        program = [sys.executable, "-m", "rowfeed"]
    elif on_path and started.samefile(on_path):
        program = ["rowfeed"]
    else:
        program = [str(started)]
    return "  " + shlex.join([*program, *(str(word) for word in words)])
