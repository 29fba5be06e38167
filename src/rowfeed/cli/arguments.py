"""The description of a command, and the options that several commands take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rowfeed.cli.backend import BACKENDS
from rowfeed.cli.types import COUNT, names, shape

EXIT_CODES = "Exit codes: 0 done, 1 it failed and says why, 2 wrong arguments, 130 interrupted"

PASSWORD = "A URL is SQLAlchemy's. Its password may be left out and put into the environment variable ROWFEED_PASSWORD."

URL = click.Argument(["url"])


class Option(click.Option):
    """An option, for one section of the help.

    Args:
        usage: Its name, and a word for its value, unless the value is one of some words.
        unset: The text for its default.
    """

    section = "Options"

    def __init__(self, usage: str, help: str, type: Any = str, *, unset: str | None = None, **more: Any) -> None:
        name, _, metavar = usage.partition(" ")
        more |= {"metavar": metavar or None, "show_default": unset or True}
        super().__init__([name], help=help, type=type, **more)


def section(title: str, *options: Option) -> Sequence[Option]:
    """These options, under a title of their own."""
    for option in options:
        option.section = title
    return options


class Command(click.Command):
    """Shows its options in sections and its examples unchanged, and names all missing options at once."""

    def __init__(self, name: str, *, params: list[click.Parameter], examples: str, **more: Any) -> None:
        params = [
            *params,
            Option("--traceback", "show where an error comes from", bool, is_flag=True, expose_value=False),
        ]
        epilog = f"\b\nExamples:\n{examples}\n{PASSWORD}\n\n\b\n{EXIT_CODES}"
        super().__init__(name, params=params, epilog=epilog, **more)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:  # click names only the first
            needed = [param for param in self.params if param.required and param.name not in ctx.params]
            ctx.fail(f"required: {', '.join(param.get_error_hint(ctx) for param in needed)}")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for title, group in itertools.groupby(options, lambda option: getattr(option, "section", Option.section)):
            with formatter.section(title):
                formatter.write_dl([record for option in group if (record := option.get_help_record(ctx))])


def reading(axes: int | None = None) -> Sequence[Option]:
    """The options for reading a table: a grid of `axes` axes; None: a grid of any number, or columns."""
    need: dict[str, Any] = {"required": axes is not None}
    two = "two " if axes else ""
    columns = "instead of --axes, --value and --shape: the columns of a table with one row per sample"
    cells = ("error", "first", "last", "sum", "mean", "max", "min")
    return (
        Option("--table TABLE", "the table or view, also schema.table", required=True),
        Option("--sample C", "its column that says whose the row is", required=True),
        Option(
            "--axes Y,X", f"the columns with the {two}coordinates, from 0 up; the first runs down", names(axes), **need
        ),
        Option("--value V", "the column with the value, or several as channels: r,g,b", names(), **need),
        Option("--shape H,W", f"cells along the {two}axes", shape(axes or 1, axes or 8), **need),
        *(() if axes else (Option("--columns A,B", columns, names()),)),
        Option("--where SQL", "which rows count: a condition in SQL"),
        Option(
            "--samples-table T", "a table that lists all samples, also those without rows", unset="those in --table"
        ),
        Option("--samples-column C", "its column with them", unset="that of --sample"),
        Option("--duplicates", "what several rows for one cell mean", click.Choice(cells), default="error"),
        Option(
            "--out-of-range",
            "what a coordinate outside of the shape means",
            click.Choice(("error", "drop")),
            default="error",
        ),
        Option("--null", "what a NULL means", click.Choice(("error", "drop", "fill")), default="error"),
        Option(
            "--max-scanned-rows N",
            "where no index helps: how many rows an epoch may scan",
            COUNT,
            unset="1,000,000,000",
        ),
    )


def memory_bytes() -> Option:
    """The memory of a feed."""
    return Option("--memory-bytes N", "what a feed may hold in memory", COUNT, unset="268,435,456, 256 MiB")


def backend() -> Option:
    """The backend of Keras."""
    unset = "KERAS_BACKEND, or else the first of these that is installed"
    return Option("--backend", "what Keras runs on", click.Choice(BACKENDS), unset=unset)


def out(directory: str, help: str = "where to leave all") -> Option:
    """The directory for the results."""
    return Option("--out DIR", help, Path, default=directory)
