"""What new processes find, and what they use, as Linux tells it."""

from __future__ import annotations

import compileall
import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def compile_rowfeed() -> None:
    """Write bytecode, as installing a package does: or each new process might compile rowfeed, and rowfeed alone."""
    import rowfeed

    compileall.compile_dir(Path(rowfeed.__file__).parent, quiet=1)


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
    """Of all threads of a process; 0 where there is none of that id."""
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
