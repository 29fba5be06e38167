"""The command line: runs a command and turns an error into a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from rowfeed.errors import Error, MissingIndexWarning
from rowfeed.messages import redacted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments without the program's name. None: those of this process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without box drawing gets question marks
    try:
        import click
    except ModuleNotFoundError:
        return _failed(
            'error: expected click, which reads the command line; it is not installed. Run pip install "rowfeed[cli]".',
            1,
        )
    from rowfeed.cli.commands import program

    show = "--traceback" in words
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", MissingIndexWarning)
            warnings.showwarning = _warn(set(), words)
            with program.make_context("rowfeed", words) as context:
                program.invoke(context)
            sys.stdout.flush()
        return 0
    except click.exceptions.Exit as done:  # help or the version was shown
        return done.exit_code
    except click.UsageError as error:
        text = redacted(error.format_message())
        command = error.ctx.command_path if error.ctx else "rowfeed"
        return _failed(f"error: {text}{'' if text.endswith(('.', '?')) else '.'} See {command} --help.", 2)
    except BrokenPipeError:
        # The reader of the output has closed it. The rest of the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return _failed("interrupted", 130, show)
    except (Error, OSError) as error:
        return _failed(f"error: {_worded(words, str(error)) if isinstance(error, Error) else error}", 1, show)


def _worded(words: Sequence[str], text: str) -> str:
    """A text of the library in the words of the command that runs."""
    from rowfeed.cli.commands import program
    from rowfeed.cli.wording import in_words_of

    command = next((program.commands[word] for word in words if word in program.commands), program)
    return in_words_of({param.name: param.opts[0] for param in command.params if param.name}, text)


def _warn(said: set[str], words: Sequence[str]) -> Callable[..., None]:
    """A function that shows a warning as one line, each warning once, in the words of the command that runs."""

    def show(message: Warning | str, *_: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"rowfeed: warning: {' '.join(_worded(words, str(message)).split())}", file=sys.stderr, flush=True)

    return show


def _failed(text: str, code: int, show_traceback: bool = False) -> int:
    if show_traceback:
        traceback.print_exc()
    print(f"rowfeed: {' '.join(text.split())}", file=sys.stderr, flush=True)
    return code
