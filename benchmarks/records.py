"""Results as JSON Lines: a file for each benchmark, a line for each run, appended when the run ends.

Each line has a `kind`. A `session` is one call of the benchmark: its number, size, settings and provenance; every other
line gives the number of its session. If two lines are about the same run, the later one counts: a benchmark goes on,
or measures again, by appending.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provenance import provenance

Record = dict[str, Any]


class Records:
    """The lines of one benchmark.

    Args:
        directory: Of the results.
        name: Of the benchmark.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / f"{name}.jsonl"
        self.lines: list[Record] = []
        if self.path.exists():
            with self.path.open(encoding="utf-8") as lines:
                self.lines = [json.loads(line) for line in lines]

    @property
    def sessions(self) -> list[Record]:
        """All sessions; the place of one is its number."""
        return [line for line in self.lines if line["kind"] == "session"]

    def begin(self, size: str, *, fresh: bool = False, **settings: Any) -> int:
        """A new session, and its number. Results of another size are removed; if `fresh`, all are."""
        if self.lines and (fresh or self.sessions[0]["size"] != size):
            print(f"{self.path.name}: results of size {self.sessions[0]['size']} are removed.")
            self.path.unlink()
            self.lines = []
        number = len(self.sessions)
        self._append({"kind": "session", "session": number, "size": size, **settings, **provenance()})
        return number

    def add(self, kind: str, **fields: Any) -> Record:
        """A line of the current session."""
        return self._append({"kind": kind, "session": len(self.sessions) - 1, **fields})

    def last(self, kind: str, *key: str) -> list[Record]:
        """The lines of a kind; of those with equal values of `key` the last, in the place of the first."""
        found = {tuple(line[name] for name in key): line for line in self.lines if line["kind"] == kind}
        return list(found.values())

    def _append(self, line: Record) -> Record:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.lines.append(line)
        return line
