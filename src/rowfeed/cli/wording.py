"""Errors and warnings of the library in the words of a command: `--null fill` for `null="fill"`.

The library names its own arguments, as `name=value` or, if a name has an underscore, alone. For a command, an argument
that it has becomes its option. A way out by an argument that it does not have is left out. This is the one place that
knows both; the texts themselves have one form (`rowfeed.errors`): what was expected and got, then what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import signature
from itertools import count

VALUE = r"""(?:"[^"]*"|'[^']*'|\([^()]*\)|-?\w+(?:[.,]\w+)*)?"""

PHRASES = (
    (r"\bwithin timeout_s=([\d.]*\d)", r"within \1 s"),
    (r"\bwith retry_s=([\d.]*\d)", r"after \1 s"),
    (r"\bmax_scanned_rows=None( to rowfeed\.connect)?", "a larger max_scanned_rows"),
    (r" to rowfeed\.connect\b", ""),
    (r"\bin a selectable\b", "in a view"),
    (r"\ba table name or a SQLAlchemy selectable\b", "a table name"),
    (r"urllib\.parse\.quote\(password, safe=''\)", "%40 for @, %3A for :, %2F for /"),
    (r"\bwhere password_from has it from\b", "the environment variable ROWFEED_PASSWORD"),
    (r'\bPass dtype="float64", or fix the row\b', "Fix the row, or CAST the column to DOUBLE in a view, to round it"),
    (r"larger fractions, another salt, or more samples\b", "another validation=, or a table with more samples"),
)
"""Words of the library about itself, and a command's. They come first."""

ALIASES = {"samples": "samples_table"}
"""Arguments whose option has another name."""

PLACE = re.compile(r"(?<= at )\S+\.\S+?(?:, \w+=\S+?(?=[.;,]*(?:\s|$)))+")
"""Where a row is, `table.column, id=7`: names of the database, not arguments."""


def in_words_of(options: Mapping[str, str], text: str) -> str:
    """A text of the library for a command.

    Args:
        options: The options of the command, such as `--batch-size`, by the names of their arguments.
        text: The text.
    """
    for pattern, words in PHRASES:
        text = re.sub(pattern, words, text)
    places = PLACE.findall(text)
    numbers = count()
    text = PLACE.sub(lambda _: f"\0{next(numbers)}\0", text)
    flags = {**options, **{name: options[other] for name, other in ALIASES.items() if other in options}}
    facts, *advice = re.split(r"(?<=[.?!]) (?=[A-Z])", text)
    while advice and "; got " not in facts and "; got " in " ".join(advice):
        facts = f"{facts} {advice.pop(0)}"
    kept = [_translated(flags, facts)]
    for sentence in advice:
        rest = _without(_arguments() - set(flags), sentence)
        if rest:
            kept.append(_translated(flags, rest))
    return re.sub(r"\0(\d+)\0", lambda found: places[int(found[1])], " ".join(kept))


@cache
def _arguments() -> frozenset[str]:
    """The names of all arguments that the library's texts may speak of."""
    from rowfeed.database.database import connect
    from rowfeed.feed.feed import Feed
    from rowfeed.layouts.columns import Columns
    from rowfeed.layouts.grid import Grid

    return frozenset(name for thing in (connect, Feed, Grid, Columns) for name in signature(thing).parameters)


def _translated(flags: Mapping[str, str], text: str) -> str:
    """The text with options in place of the arguments that have one."""
    names = "|".join(sorted(map(re.escape, flags), key=len, reverse=True))
    if not names:
        return text
    more = r"""(?P<more>(?:(?:, | or )"\w+")*)"""  # duplicates="sum", "mean" or "max"
    text = re.sub(
        rf"(?<![\w.-])(?P<name>{names})=(?P<value>{VALUE}){more}",
        lambda found: f"{flags[found['name']]} {_words(found['value'])}".rstrip() + found["more"].replace('"', ""),
        text,
    )
    alone = "|".join(name for name in flags if "_" in name)
    after = r"(?<=[Ff]ix )|(?<=enlarge )|(?<=smaller )|(?<=larger )"
    text = re.sub(rf"(?<![\w.-])({alone})(?![\w=])", lambda found: flags[found[1]], text) if alone else text
    return re.sub(rf"(?:{after})({names})(?![\w=])", lambda found: flags[found[1]], text)


def _words(value: str) -> str:
    """A value as a shell takes it: `4,4` for `(4, 4)`."""
    if value.startswith("("):
        return re.sub(r"[\s\"'()]", "", value).strip(",")
    return value if " " in value or not value.startswith(("'", '"')) else value[1:-1]


def _without(missing: Iterable[str], sentence: str) -> str:
    """A sentence without the clauses about arguments that a command does not have; empty if there are no others."""
    words = "|".join(rf"{name}=" if "_" not in name else rf"{name}\b" for name in missing)
    about = re.compile(rf"(?<![\w.-])(?:{words})")
    if not about.search(sentence):
        return sentence
    end = sentence[-1] if sentence[-1] in ".?!" else ""
    whole = re.sub(r"\([^()]*\)", lambda found: found[0].replace(",", "\1"), sentence.removesuffix(end))
    parts = re.split(r"(,? or |[,;] (?:or )?|: )", whole)  # clauses, and between them what joins them
    clauses = [(parts[i - 1] if i else "", parts[i]) for i in range(0, len(parts), 2)]
    kept = [(joint, clause) for joint, clause in clauses if not about.search(clause)]
    if not kept:
        return ""
    text = kept[0][1] + "".join(joint + clause for joint, clause in kept[1:])
    if " or " in clauses[-1][0] and " or " not in text:  # the last of three is gone
        text = re.sub(r", (?=[^,]*$)", ", or ", text)
    return (text[0].upper() + text[1:] + end).replace("\1", ",")
