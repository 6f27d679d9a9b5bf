"""Records of the inputs and outputs of completed jobs, and the journal in which they are stored."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path
from sys import intern
from typing import Any

from iota2 import layout
from iota2.core.files import error_path, require_regular
from iota2.core.words import counted
from iota2.io.files.atomic import replacing
from iota2.runs.records.stamps import Stamp
from iota2.runs.records.state import remove_obstacle

JOURNAL = layout.RECORDS.path
"""Records of all jobs, one per line; the last record of a job is valid."""

_MAX_LINE_BYTES = 16 << 20
"""Maximum length of a record; a longer line is damaged."""


@dataclass(frozen=True, slots=True)
class Record:
    """Inputs and outputs of one job. Paths are relative to the output folder."""

    id: str
    version: int
    params: str
    """Digest of the step's parameters."""
    inputs: Mapping[str, str]
    """Digest of each input, by path."""
    outputs: Mapping[str, Stamp]
    seconds: float = 0.0
    peak: int = 0
    """Peak memory of the process during the job, MiB."""

    def to_json(self) -> str:
        """The record as one line of JSON."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        content["outputs"] = {path: [s.size, s.modified, s.checksum] for path, s in self.outputs.items()}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record written by ``to_json``; ValueError, KeyError or TypeError for other content."""
        content = json.loads(line)
        _require_sound(content)
        # equal paths and digests of many records share one string
        content["inputs"] = {intern(path): intern(digest) for path, digest in content["inputs"].items()}
        content["outputs"] = {
            intern(path): Stamp(size, modified, intern(digest))
            for path, (size, modified, digest) in content["outputs"].items()
        }
        return cls(**content)


class Ledger:
    """The records of one output folder. Only the process with the folder's lock writes to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / JOURNAL
        self._records: dict[str, Record] | None = None
        self._lines = 0
        self._cut = False
        """Whether the last line is incomplete after a crash."""
        self._damaged = 0
        """Number of damaged lines, without an incomplete last one."""

    @property
    def records(self) -> dict[str, Record]:
        """Records by job. A line left incomplete by a crash is ignored: its job runs again."""
        if self._records is None:
            self._damaged, self._records = 0, {}
            for line in self._journal():
                record = _parsed(line)
                if record is not None:
                    self._records[record.id] = record
                elif not self._cut:
                    self._damaged += 1
        return self._records

    def damage_note(self) -> str:
        """Description of the journal's damage; empty if it is valid, missing, or only lacks the end after a crash.

        Raises OSError if it cannot be read for another reason, such as permissions: its content is not lost.
        """
        if reason := self._obstruction():
            return f"{self.path}: {reason}. It is recreated; all jobs run again."
        damaged = self._damaged if self.records else self._lines - self._cut
        return f"{self.path}: {counted(damaged, 'line')} damaged. Their jobs run again." if damaged else ""

    def _obstruction(self) -> str:
        """Description of something else in place of the journal file; empty for a file or nothing."""
        try:
            require_regular(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return "is a broken symbolic link" if self.path.is_symlink() else ""
        except OSError as err:
            if err.errno not in (errno.ENXIO, errno.EISDIR, errno.ELOOP):
                raise
            return err.strerror or "is not a file"
        return ""

    def _journal(self) -> Iterator[str]:
        """The lines of the journal, counted; undecodable bytes after a crash damage their line only."""
        self._lines, self._cut = 0, False
        if self.path.exists() and not self._obstruction():
            with open(self.path, encoding="utf-8", errors="replace", newline="\n") as journal:
                while line := journal.readline(_MAX_LINE_BYTES):
                    self._lines += 1
                    self._cut = not line.endswith("\n")
                    yield line

    def add(self, record: Record) -> None:
        """Append the record of a completed job."""
        self.records[record.id] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line, self._cut = "\n" * self._cut + record.to_json() + "\n", True  # until the line is complete
        with error_path(self.path), open(self.path, "a", encoding="utf-8") as journal:
            journal.write(line)
        self._lines, self._cut = self._lines + 1, False

    def forget(self, names: Set[str]) -> None:
        """Remove these outputs from the records; the jobs that make them run again."""
        for record in list(self.records.values()):
            if not names.isdisjoint(record.outputs):
                kept = {name: stamp for name, stamp in record.outputs.items() if name not in names}
                self.add(replace(record, outputs=kept))

    def compact(self) -> None:
        """Rewrite the journal with the valid records only; something else in place of the file is removed."""
        remove_obstacle(self.path)
        count = len(self.records)
        if self._lines != count or self._cut:
            with replacing(self.path) as part:
                part.write_text("".join(record.to_json() + "\n" for record in self.records.values()), encoding="utf-8")
            self._lines, self._cut = count, False


def _parsed(line: str) -> Record | None:
    try:
        return Record.from_json(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _require_sound(content: Any) -> None:
    """Raise ValueError unless the values have the types of a record."""
    inputs, outputs = content["inputs"], content["outputs"]
    sound = (
        type(content["id"]) is type(content["params"]) is str
        and type(content["version"]) is int
        and all(type(digest) is str for digest in inputs.values())
        and all([type(part) for part in stamp] == [int, int, str] for stamp in outputs.values())
        and type(content.get("seconds", 0.0)) in (int, float)
        and type(content.get("peak", 0)) is int
    )
    if not sound:
        raise ValueError("values have wrong types")
