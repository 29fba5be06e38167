"""Processes of a benchmark: a question to one of their own, and their CPU time and memory, as Linux tells it."""

from __future__ import annotations

import compileall
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


ONCE = "--once"


def ask(script: str, *question: Any, **environment: str) -> Any:
    """The answer of the `once` of a script, in a new process.

    Args:
        script: The script's `__file__`; it ends with `run(main, once)`.
        question: Arguments of `once` that JSON can carry.
        environment: Further variables of the process.

    Raises:
        RuntimeError: If the process fails: the last line that it wrote.
    """
    command = [sys.executable, script, ONCE, json.dumps(question)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(main: Callable[[], None], once: Callable[..., Any]) -> None:
    """Run a script: `main`, or `once` if it was asked."""
    if sys.argv[1:2] == [ONCE]:
        print(json.dumps(once(*json.loads(sys.argv[2]))))
    else:
        main()


def compile_tree(source: Path) -> None:
    """Write bytecode, as installing a package does: each new process might compile a tree that was never imported."""
    compileall.compile_dir(source, quiet=1)


def peak_bytes(pid: int | str = "self") -> int:
    """Peak resident memory of a process alone, 0 if there is none of that id; ru_maxrss would inherit the parent's."""
    with suppress(OSError, TypeError):
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024  # type: ignore[index]
    return 0


def children(pid: int) -> list[int]:
    """The processes below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    """Of all threads of a process; 0 if there is none of that id."""
    with suppress(OSError):
        times = _stat(pid)[11:15]
        return sum(map(int, times if with_ended_children else times[:2])) / TICKS
    return 0.0


def tree_cpu_seconds(pid: int | None) -> float:
    """Of a server so far, in all its processes, also those that ended; 0 for no server."""
    if pid is None:
        return 0.0
    return cpu_seconds(pid, with_ended_children=True) + sum(map(cpu_seconds, children(pid)))


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
