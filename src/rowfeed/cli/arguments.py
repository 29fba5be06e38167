"""What the command line takes: the parser, its help, and which words it refuses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from rowfeed.cli.backend import BACKENDS
from rowfeed.cli.train.recipe import DIGITS, Recipe
from rowfeed.cli.types import inner_share, names, number, shape, share, span, whole

EXIT_CODES = "exit codes: 0 done, 1 it failed and says why, 2 wrong arguments, 130 interrupted"

PASSWORD = "A password may be left out of the URL and put into the environment variable ROWFEED_PASSWORD."

TRAIN_EXAMPLES = """\
examples:
  rowfeed train sqlite:///users.db --table USER_MATRIX --sample user_id --axes x,y --value value --shape 4,4
  rowfeed train sqlite:///rowfeed-demo/digits.db --table DIGIT_MATRIX --sample digit_id --axes y,x \\
      --value value --shape 8,8 --samples-table DIGIT_LABEL --value-range 0,16 --epochs 40
  rowfeed train mysql+pymysql://reader@host/shop --table shop.pixels --sample id --axes y,x --value r,g,b \\
      --shape 32,32 --where "id < 100000" --batch-size 128
"""

BENCH_EXAMPLES = """\
examples:
  rowfeed bench sqlite:///users.db --table USER_MATRIX --sample user_id --axes x,y --value value --shape 4,4
  rowfeed bench mysql+pymysql://reader@host/shop --table shop.pixels --sample id --axes y,x --value r,g,b \\
      --shape 32,32 --batch-size 128 --model autoencoder
  rowfeed bench postgresql+psycopg://reader@host/shop --table features --sample id --columns age,income,visits
"""

DEMO_EXAMPLES = """\
examples:
  rowfeed demo
  rowfeed demo --out digits --epochs 80 --backend torch
  rowfeed demo --url postgresql+psycopg://me@localhost/play
"""

POPULATE_EXAMPLES = """\
examples:
  rowfeed populate sqlite:///users.db
  rowfeed populate sqlite:///users.db --samples 1000000 --if-exists replace
  rowfeed populate mysql+pymysql://me@localhost/play --table BOARDS --shape 8,8 --density 0.1
"""


class _Parser(argparse.ArgumentParser):
    """Repeats what it does not understand without the password of a URL."""

    def error(self, message: str) -> NoReturn:
        from rowfeed.access.passwords import redacted  # loads SQLAlchemy, which `--help` need not wait for

        super().error(redacted(message))


def parser() -> argparse.ArgumentParser:
    """The parser. What it returns has the name of the command in `command`."""
    top = _Parser(
        prog="rowfeed",
        description="Train models straight from your SQL database.",
        epilog=f"{EXIT_CODES}\n\nrowfeed COMMAND --help says more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"rowfeed {version('rowfeed')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_populate(commands)
    _add_train(commands)
    _add_bench(commands)
    return top


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of a command, which also go together; else ends the program with exit code 2."""
    top = parser()
    options = top.parse_args(arguments)
    complaint = options.wrong(options)
    if complaint:
        options.parser.error(complaint)
    return options


def _add_demo(commands: Any) -> None:
    command = _add(
        commands,
        "demo",
        "train on real handwritten digits, in about a minute",
        "Write scikit-learn's 1,797 handwritten digits into a database, train a denoising\n"
        "autoencoder from it, and leave model.keras, history.png, denoised.png and report.html\n"
        "in a directory.",
        DEMO_EXAMPLES,
    )
    command.add_argument(
        "--out", type=Path, default=Path("rowfeed-demo"), metavar="DIR", help="where to leave all (%(default)s)"
    )
    command.add_argument(
        "--epochs", type=whole(1), default=DIGITS.epochs, metavar="N", help="passes over the data (%(default)s)"
    )
    command.add_argument(
        "--url",
        help="a database to write the tables into, instead of DIR/digits.db; tables DIGIT_MATRIX and DIGIT_LABEL in it "
        "are replaced",
    )
    _add_backend(command)


def _add_populate(commands: Any) -> None:
    command = _add(
        commands,
        "populate",
        "fill a table with random user matrices",
        "Write users who each have a matrix of random integers from -7 to 17. A cell that is 0\n"
        "has no row, and some users have none at all; a second table lists all users. Needs\n"
        "memory for a chunk, however many users there are.\n\n"
        "Random cells have nothing to do with each other: the table shows how rowfeed reads and\n"
        "trains, not how well a model denoises. None can do more than draw each cell toward its\n"
        "mean; `rowfeed demo` has real pictures.",
        POPULATE_EXAMPLES,
    )
    command.add_argument("url", metavar="URL", help=f"a SQLAlchemy URL. {PASSWORD}")
    command.add_argument(
        "--table", default="USER_MATRIX", help="the table of cells: user_id, x, y, value (%(default)s)"
    )
    command.add_argument("--users-table", help="the table of all users: user_id, cells (the table's name with _USERS)")
    command.add_argument("--samples", type=whole(1), default=1_000, metavar="N", help="how many users (%(default)s)")
    command.add_argument(
        "--shape", type=shape(1, 4), default=(4, 4), metavar="H,W", help="sides of a matrix, 1 to 4 of them (4,4)"
    )
    command.add_argument("--density", type=share, default=0.3, help="share of the cells that have a row (%(default)s)")
    command.add_argument("--empty", type=share, default=0.02, help="share of the users who have no row (%(default)s)")
    command.add_argument("--seed", type=whole(0), default=0, help="another seed, other values (%(default)s)")
    command.add_argument(
        "--if-exists",
        choices=("fail", "append", "replace"),
        default="fail",
        help="what to do with tables of these names; append adds users after the last one (%(default)s)",
    )


def _add_train(commands: Any) -> None:
    command = _add(
        commands,
        "train",
        "train a denoising autoencoder on a table of yours",
        "Train a denoising autoencoder on a table with a row for each cell of a picture or\n"
        "matrix, and leave model.keras, history.png, denoised.png and report.html in a\n"
        "directory. The database is only read.",
        TRAIN_EXAMPLES,
    )
    recipe = Recipe()
    which = _add_table(command)
    which.add_argument(
        "--throttle",
        type=number(0, exclusive=True),
        metavar="N",
        help="spare the server: up to 1 a share of time, such as 0.25; above 1 rows per second (no limit)",
    )
    _add_memory(which)
    how = command.add_argument_group("how to train")
    how.add_argument(
        "--epochs", type=whole(1), default=recipe.epochs, metavar="N", help="passes over the data (%(default)s)"
    )
    how.add_argument(
        "--batch-size", type=whole(1), default=recipe.batch_size, metavar="N", help="samples in a batch (%(default)s)"
    )
    how.add_argument(
        "--learning-rate",
        type=number(0, exclusive=True),
        default=recipe.learning_rate,
        metavar="R",
        help="Adam's, at the start (%(default)s)",
    )
    how.add_argument(
        "--noise",
        type=number(0),
        default=recipe.noise,
        metavar="S",
        help="standard deviation of the noise, in units of the data's own, or of the value range (%(default)s)",
    )
    how.add_argument(
        "--value-range",
        type=span,
        metavar="LO,HI",
        help="what values there can be; the model then never leaves it; with a minus, --value-range=-7,17 (no bounds)",
    )
    how.add_argument(
        "--validation",
        type=inner_share,
        default=recipe.validation,
        metavar="S",
        help="share of the samples to judge by, and not to train on (%(default)s)",
    )
    how.add_argument(
        "--seed",
        type=whole(0),
        default=recipe.seed,
        metavar="N",
        help="of order, noise and first weights (%(default)s)",
    )
    _add_backend(how)
    command.add_argument(
        "--out", type=Path, default=Path("rowfeed-train"), metavar="DIR", help="where to leave all (%(default)s)"
    )


def _add_table(command: argparse.ArgumentParser, *, any_layout: bool = False) -> Any:
    """What to read: URL, table and columns of a grid of two axes, or, with `any_layout`, of any grid or of columns."""
    command.add_argument("url", metavar="URL", help=f"a SQLAlchemy URL. {PASSWORD}")
    which = command.add_argument_group("what to read")
    which.add_argument("--table", required=True, help="the table or view, also schema.table")
    which.add_argument("--sample", required=True, metavar="C", help="its column that says whose the row is")
    which.add_argument(
        "--axes",
        type=names() if any_layout else names(2),
        required=not any_layout,
        metavar="Y,X",
        help=f"the columns with the {'' if any_layout else 'two '}coordinates, from 0 up; the first runs down",
    )
    which.add_argument(
        "--value",
        type=names(),
        required=not any_layout,
        metavar="V",
        help="the column with the value, or several as channels: r,g,b",
    )
    which.add_argument(
        "--shape",
        type=shape(1, 8) if any_layout else shape(2, 2),
        required=not any_layout,
        metavar="H,W",
        help=f"cells along the {'' if any_layout else 'two '}axes",
    )
    if any_layout:
        which.add_argument(
            "--columns",
            type=names(),
            metavar="A,B",
            help="instead of --axes, --value and --shape: the columns of a table with one row per sample",
        )
    which.add_argument("--where", metavar="SQL", help="which rows count: a condition in SQL")
    which.add_argument(
        "--samples-table",
        metavar="T",
        help="a table that lists all samples, also those without rows (those in --table)",
    )
    which.add_argument("--samples-column", metavar="C", help="its column with them (that of --sample)")
    which.add_argument(
        "--duplicates",
        default="error",
        choices=("error", "first", "last", "sum", "mean", "max", "min"),
        help="what several rows for one cell mean (%(default)s)",
    )
    which.add_argument(
        "--out-of-range",
        default="error",
        choices=("error", "drop"),
        help="what a coordinate outside of the shape means (%(default)s)",
    )
    which.add_argument(
        "--null", default="error", choices=("error", "drop", "fill"), help="what a NULL means (%(default)s)"
    )
    which.add_argument(
        "--max-scanned-rows",
        type=whole(1),
        metavar="N",
        help="where no index helps: how many rows an epoch may scan (1,000,000,000)",
    )
    return which


def _add_memory(group: Any) -> None:
    group.add_argument(
        "--memory-bytes", type=whole(1), metavar="N", help="what a feed may hold in memory (268,435,456, 256 MiB)"
    )


def _add_bench(commands: Any) -> None:
    command = _add(
        commands,
        "bench",
        "measure where the time goes, on a table of yours",
        "Read a table as training would, measure each stage on the way, and say which one is the\n"
        "bottleneck and what to change. Leaves bench.json and bench.png in a directory. The\n"
        "database is only read.",
        BENCH_EXAMPLES,
    )
    command.set_defaults(wrong=_wrong_bench)
    _add_table(command, any_layout=True)
    how = command.add_argument_group("how to feed")
    how.add_argument(
        "--batch-size", type=whole(1), default=Recipe().batch_size, metavar="N", help="samples in a batch (%(default)s)"
    )
    how.add_argument(
        "--connections",
        type=whole(1),
        default=2,
        metavar="N",
        help="connections of a feed; beside 1, or 2 where it is 1 (%(default)s)",
    )
    _add_memory(how)
    how.add_argument(
        "--model", choices=("autoencoder",), help="measure training as well, of what `rowfeed train` trains"
    )
    _add_backend(how)
    command.add_argument(
        "--seconds",
        type=number(0, exclusive=True),
        default=10.0,
        metavar="S",
        help="about how long to measure; starting and compiling come on top (%(default)g)",
    )
    command.add_argument(
        "--out", type=Path, default=Path("rowfeed-bench"), metavar="DIR", help="where to leave both files (%(default)s)"
    )


def _wrong_bench(options: argparse.Namespace) -> str | None:
    grid = {f"--{name}": getattr(options, name) for name in ("axes", "value", "shape")}
    given = [name for name, value in grid.items() if value]
    if options.columns and given:
        return f"argument {given[0]}: not allowed with argument --columns"
    if options.columns and options.model:
        return "argument --model: the autoencoder takes a grid, --axes, --value and --shape, not --columns"
    if not options.columns and len(given) < len(grid):
        missing = ", ".join(name for name in grid if name not in given)
        return f"the following arguments are required: {missing}; or --columns instead"
    if options.columns and (options.duplicates, options.out_of_range, options.null == "drop") != ("error",) * 2 + (
        False,
    ):
        return "arguments --duplicates, --out-of-range and --null drop: only for a grid, not with --columns"
    if given and len(options.axes) != len(options.shape):
        return f"argument --shape: expected a side for each of {len(options.axes)} axes; got {len(options.shape)}"
    if options.model and len(options.shape) != 2:
        return f"argument --model: the autoencoder takes two axes; got {len(options.shape)}"
    return None


def _add(commands: Any, name: str, summary: str, description: str, examples: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"{examples}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(parser=command, wrong=lambda options: None)
    command.add_argument("--traceback", action="store_true", help="show where an error comes from")
    return command


def _add_backend(command: Any) -> None:
    command.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what Keras runs on (KERAS_BACKEND, or else the first of these that is installed)",
    )
