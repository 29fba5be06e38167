"""What the command line takes: the parser, its help, and which words it refuses."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import rowfeed
from rowfeed.command.backend import BACKENDS
from rowfeed.command.recipe import DIGITS, Recipe

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
        from rowfeed.passwords import redacted  # loads SQLAlchemy, which `--help` need not wait for

        super().error(redacted(message))


def parser() -> argparse.ArgumentParser:
    """The parser. What it returns has the name of the command in `command`."""
    top = _Parser(
        prog="rowfeed",
        description="Train models straight from your SQL database.",
        epilog=f"{EXIT_CODES}\n\nrowfeed COMMAND --help says more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"rowfeed {rowfeed.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_populate(commands)
    _add_train(commands)
    return top


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
        "--epochs", type=_whole(1), default=DIGITS.epochs, metavar="N", help="passes over the data (%(default)s)"
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
        "memory for a chunk, however many users there are.",
        POPULATE_EXAMPLES,
    )
    command.add_argument("url", metavar="URL", help=f"a SQLAlchemy URL. {PASSWORD}")
    command.add_argument(
        "--table", default="USER_MATRIX", help="the table of cells: user_id, x, y, value (%(default)s)"
    )
    command.add_argument("--users-table", help="the table of all users: user_id, cells (the table's name with _USERS)")
    command.add_argument("--samples", type=_whole(1), default=1_000, metavar="N", help="how many users (%(default)s)")
    command.add_argument(
        "--shape", type=_shape(1, 4), default=(4, 4), metavar="H,W", help="sides of a matrix, 1 to 4 of them (4,4)"
    )
    command.add_argument("--density", type=_share, default=0.3, help="share of the cells that have a row (%(default)s)")
    command.add_argument("--empty", type=_share, default=0.02, help="share of the users who have no row (%(default)s)")
    command.add_argument("--seed", type=_whole(0), default=0, help="another seed, other values (%(default)s)")
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
    command.add_argument("url", metavar="URL", help=f"a SQLAlchemy URL. {PASSWORD}")
    which = command.add_argument_group("what to read")
    which.add_argument("--table", required=True, help="the table or view, also schema.table")
    which.add_argument("--sample", required=True, metavar="C", help="its column that says whose the row is")
    which.add_argument(
        "--axes",
        type=_names(2),
        required=True,
        metavar="Y,X",
        help="the columns with the two coordinates, from 0 up; the first runs down",
    )
    which.add_argument(
        "--value",
        type=_names(),
        required=True,
        metavar="V",
        help="the column with the value, or several as channels: r,g,b",
    )
    which.add_argument("--shape", type=_shape(2, 2), required=True, metavar="H,W", help="cells along the two axes")
    which.add_argument("--where", metavar="SQL", help="which rows count: a condition in SQL")
    which.add_argument(
        "--samples-table",
        metavar="T",
        help="a table that lists all samples, also those without rows (those in --table)",
    )
    which.add_argument("--samples-column", metavar="C", help="its column with them (that of --sample)")
    which.add_argument(
        "--throttle",
        type=_number(0, exclusive=True),
        metavar="N",
        help="spare the server: up to 1 a share of time, such as 0.25; above 1 rows per second (no limit)",
    )
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
    how = command.add_argument_group("how to train")
    how.add_argument(
        "--epochs", type=_whole(1), default=recipe.epochs, metavar="N", help="passes over the data (%(default)s)"
    )
    how.add_argument(
        "--batch-size", type=_whole(1), default=recipe.batch_size, metavar="N", help="samples in a batch (%(default)s)"
    )
    how.add_argument(
        "--learning-rate",
        type=_number(0, exclusive=True),
        default=recipe.learning_rate,
        metavar="R",
        help="Adam's, at the start (%(default)s)",
    )
    how.add_argument(
        "--noise",
        type=_number(0),
        default=recipe.noise,
        metavar="S",
        help="standard deviation of the noise, in units of the data's own, or of the value range (%(default)s)",
    )
    how.add_argument(
        "--value-range",
        type=_range,
        metavar="LO,HI",
        help="what values there can be; the model then never leaves it; with a minus, --value-range=-7,17 (no bounds)",
    )
    how.add_argument(
        "--validation",
        type=_inner_share,
        default=recipe.validation,
        metavar="S",
        help="share of the samples to judge by, and not to train on (%(default)s)",
    )
    how.add_argument(
        "--seed",
        type=_whole(0),
        default=recipe.seed,
        metavar="N",
        help="of order, noise and first weights (%(default)s)",
    )
    _add_backend(how)
    command.add_argument(
        "--out", type=Path, default=Path("rowfeed-train"), metavar="DIR", help="where to leave all (%(default)s)"
    )


def _add(commands: Any, name: str, summary: str, description: str, examples: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"{examples}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--traceback", action="store_true", help="show where an error comes from")
    return command


def _add_backend(command: Any) -> None:
    command.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what Keras runs on (KERAS_BACKEND, or else the first of these that is installed)",
    )


# Types: what argparse calls on a word, which refuses it by raising


def _refuse(expected: str, word: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {expected}; got {word!r}")


def _whole(least: int) -> Callable[[str], int]:
    def convert(word: str) -> int:
        if not (word.isascii() and word.isdigit()) or int(word) < least:
            raise _refuse(f"a whole number, {least} or more", word)
        return int(word)

    return convert


def _number(least: float, *, exclusive: bool = False) -> Callable[[str], float]:
    def convert(word: str) -> float:
        number = _float(word)
        if not math.isfinite(number) or number < least or (exclusive and number == least):
            raise _refuse(f"a number {'above' if exclusive else 'of at least'} {least:g}", word)
        return number

    return convert


def _float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _share(word: str) -> float:
    number = _float(word)
    if not 0 <= number <= 1:
        raise _refuse("a share from 0 to 1", word)
    return number


def _inner_share(word: str) -> float:
    number = _float(word)
    if not 0 < number < 1:
        raise _refuse("a share between 0 and 1", word)
    return number


def _range(word: str) -> tuple[float, float]:
    low, _, high = word.partition(",")
    result = _float(low), _float(high)
    if not (result[0] < result[1] and all(math.isfinite(number) for number in result)):
        raise _refuse("two numbers, the lower first, such as 0,255", word)
    return result


def _shape(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    sides = f"{least} to {most} whole numbers" if least < most else f"{least} whole numbers"

    def convert(word: str) -> tuple[int, ...]:
        parts = word.split(",")
        if not least <= len(parts) <= most or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts):
            raise _refuse(f"{sides} of at least 1 with commas between, such as 4,4", word)
        return tuple(int(part) for part in parts)

    return convert


def _names(count: int | None = None) -> Callable[[str], tuple[str, ...]]:
    def convert(word: str) -> tuple[str, ...]:
        names = tuple(word.split(","))
        if not all(names) or len(set(names)) < len(names) or len(names) != (count or len(names)):
            raise _refuse(f"{count or 'one or more'} different column names with commas between", word)
        return names

    return convert
