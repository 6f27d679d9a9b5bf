"""What makes an output stale, and the records by which that is known."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from sys import intern
from types import NoneType
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from iota2 import layout
from iota2.core.files import naming, require_regular
from iota2.core.graph import Artifact
from iota2.core.words import counted
from iota2.io.files.atomic import SHAPEFILE_SUFFIXES, replacing
from iota2.run.plan.jobs import Job, Plan, uncollected
from iota2.run.records.state import make_way

JOURNAL = layout.RECORDS.path
"""Records of all jobs, one per line; the last one of a job counts."""

NOTHING = (0, 0)
"""Size and time of an output that is not there."""
_CHUNK = 1 << 20
_LONGEST_LINE = 16 << 20
"""Bytes of a record that are read; a longer line is damaged."""


# ------------------------------------------------------------------------------------------------ what files hold


@dataclass(frozen=True, slots=True)
class Stamp:
    """How an output looked when it was made: a file, a shapefile with its companions, or a folder."""

    size: int
    """Bytes of all its files."""
    modified: int
    """Nanoseconds; the latest of its files."""
    checksum: str
    """Digest of the names and bytes of its files; what the jobs that read it compare."""


def members(path: Path) -> list[Path]:
    """The files that together are one output, sorted; none when it is not there."""
    if path.is_dir():
        return sorted(member for member in path.rglob("*") if member.is_file())
    if not path.is_file():
        return []
    if path.suffix == ".shp":
        stem = str(path).removesuffix(".shp")
        return sorted(Path(stem + suffix) for suffix in SHAPEFILE_SUFFIXES if os.path.isfile(stem + suffix))
    return [path]


def stat_stamp(path: str | Path) -> tuple[int, int]:
    """Size and time of an output, as ``Stamp`` has them; (0, 0) when it is not there."""
    text = str(path)
    if not text.endswith(".shp"):
        try:
            seen = os.stat(text)
        except OSError:
            return NOTHING
        if stat.S_ISREG(seen.st_mode):
            return seen.st_size, seen.st_mtime_ns
    found = [os.stat(member) for member in members(Path(path))]
    return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)


def checksum(path: Path) -> str:
    """Digest of the names, relative to the output, and bytes of its files."""
    total = hashlib.blake2b(digest_size=16)
    for member in members(path):
        name = member.relative_to(path) if path.is_dir() else member.suffix
        total.update(f"{name}\0".encode())
        with open(member, "rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()


def checksum_of_text(path: Path, text: str) -> str:
    """The checksum that ``path`` has once it holds ``text``."""
    return hashlib.blake2b(f"{path.suffix}\0{text}".encode(), digest_size=16).hexdigest()


def stamp_of(path: Path) -> Stamp:
    """The stamp of an output as it is now."""
    return Stamp(*stat_stamp(path), checksum(path))


# ------------------------------------------------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class Record:
    """What one job was made from, and what it made. Paths are relative to the output folder."""

    id: str
    version: int
    params: str
    """Digest of the step's parameters."""
    inputs: Mapping[str, str]
    """Path to digest of everything it read."""
    outputs: Mapping[str, Stamp]
    seconds: float = 0.0
    peak: int = 0
    """Largest memory of the process while it ran, MiB."""

    def to_json(self) -> str:
        """One line."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        content["outputs"] = {path: [s.size, s.modified, s.checksum] for path, s in self.outputs.items()}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The record written by ``to_json``; ValueError, KeyError or TypeError when it is something else."""
        content = json.loads(line)
        _require_sound(content)
        # one string for a path and for a digest, however many records name them
        content["inputs"] = {intern(path): intern(digest) for path, digest in content["inputs"].items()}
        content["outputs"] = {
            intern(path): Stamp(size, modified, intern(digest))
            for path, (size, modified, digest) in content["outputs"].items()
        }
        return cls(**content)


class Ledger:
    """The records of one output folder. Only the process that holds the folder's lock writes to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / JOURNAL
        self._records: dict[str, Record] | None = None
        self._lines = 0
        self._cut = False
        """Whether the last line has no end: a crash cut it short."""
        self._damaged = 0
        """Lines that are no records; the last one, cut short, is not counted."""

    @property
    def records(self) -> dict[str, Record]:
        """Records by job. A line cut short by a crash is passed over: its job runs again."""
        if self._records is None:
            self._damaged, self._records = 0, {}
            for line in self._journal():
                record = _parsed(line)
                if record is not None:
                    self._records[record.id] = record
                elif not self._cut:
                    self._damaged += 1
        return self._records

    def ailment(self) -> str:
        """What is wrong with the journal; empty when it is sound, cut short by a crash, or not there.

        One that cannot be read for another reason, such as its permissions, raises OSError: what it says is not lost.
        """
        if reason := self._stranger():
            return f"{self.path}: {reason}. It is made anew: all jobs run again."
        damaged = self._damaged if self.records else self._lines - self._cut
        return f"{self.path}: {counted(damaged, 'line')} damaged. Their jobs run again." if damaged else ""

    def _stranger(self) -> str:
        """What is in the place of the journal and is no file."""
        try:
            require_regular(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return "is a broken symbolic link" if self.path.is_symlink() else ""
        except OSError as err:
            if err.errno not in (errno.ENXIO, errno.EISDIR, errno.ELOOP):
                raise
            return err.strerror or "is no file"
        return ""

    def _journal(self) -> Iterator[str]:
        """The lines of the journal, counted; bytes that are no text, of a crash, spoil their line only."""
        self._lines, self._cut = 0, False
        if self.path.exists() and not self._stranger():
            with open(self.path, encoding="utf-8", errors="replace", newline="\n") as journal:
                while line := journal.readline(_LONGEST_LINE):
                    self._lines += 1
                    self._cut = not line.endswith("\n")
                    yield line

    def add(self, record: Record) -> None:
        """Note that a job is done: the last act of a job."""
        self.records[record.id] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line, self._cut = "\n" * self._cut + record.to_json() + "\n", True  # until all of it is written
        with naming(self.path), open(self.path, "a", encoding="utf-8") as journal:
            journal.write(line)
        self._lines, self._cut = self._lines + 1, False

    def forget(self, names: Set[str]) -> None:
        """Strike these outputs from the records: the jobs that make them run again."""
        for record in list(self.records.values()):
            if not names.isdisjoint(record.outputs):
                kept = {name: stamp for name, stamp in record.outputs.items() if name not in names}
                self.add(replace(record, outputs=kept))

    def compact(self) -> None:
        """Write each record once, whole: lines that later ones replaced, that are damaged, or that a crash cut, are
        dropped. What is in the place of the journal and is no file is removed."""
        make_way(self.path)
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
    """ValueError unless values have the types of a record."""
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
        raise ValueError("values of other types than those of a record")


# ------------------------------------------------------------------------------------------------------- reasons


State = Literal["fresh", "stale", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a job has to run."""

    state: State
    """``open``: only if what it reads turns out different once the jobs before it have run."""
    reason: str
    record: Record | None
    params: str
    known: Mapping[str, str]
    """Digests of the inputs that no job of this run makes again."""


class Words(Protocol):
    """Says what differs, where digests tell only that something does. Each answer holds one or more changes."""

    def parameters(self, job: Job, former: str, now: str) -> Sequence[str]:
        """What differs between the parameters with these digests, the second being those of the job."""
        ...

    def content(self, name: str) -> Sequence[str]:
        """What differs in an input of a job."""
        ...

    def failure(self, id_: str) -> str:
        """How a job failed last time; empty when it did not."""
        ...


class Plain:
    """Words without knowledge of what was before."""

    def parameters(self, job: Job, former: str, now: str) -> Sequence[str]:
        """See ``Words``."""
        return ("parameters changed",)

    def content(self, name: str) -> Sequence[str]:
        """See ``Words``."""
        return (f"{name} changed",)

    def failure(self, id_: str) -> str:
        """See ``Words``."""
        return ""


@uncollected()
def assess(
    plan: Plan,
    ledger: Ledger,
    given: Mapping[str, str],
    *,
    force: Iterable[str] = (),
    renew: bool = False,
    words: Words | None = None,
) -> dict[str, Verdict]:
    """A verdict for each job of ``plan``, in its order. ``given``: digests of the files of the survey.

    A job is stale for the first of: it is forced; an output is missing, is not in its record, or differs from its
    stamp; it has no record; the step has another version; its parameters are others; its set of inputs is another; an
    input has another digest. With ``renew``, for who
    holds the folder's lock, outputs found unchanged in spite of another time get a new stamp in the ledger; without,
    nothing is written.
    """
    forced, digests, words = set(force), _Digests(plan, ledger, given), words or Plain()
    verdicts: dict[str, Verdict] = {}
    params: dict[str, str] = {}
    for job in plan.jobs:
        if job.step.name not in params:
            params[job.step.name] = params_digest(job.params)
        inputs = job.reads
        record, known = ledger.records.get(job.id), digests.known(inputs, verdicts)
        if record is not None and known == record.inputs:
            known = record.inputs  # the same, once
        reason = f"--force {job.step.name}" if job.step.name in forced else None
        reason = reason or (_failed_reason(words.failure(job.id)) if record is None else None)
        reason = reason or _output_reason(job, record, plan.root, ledger if renew else None)
        reason = reason or _first(_record_reasons(job, record, params[job.step.name], inputs, known, words=words))
        open_ = any(verdicts[need].state != "fresh" for need in job.needs if need in verdicts)
        state: State = "stale" if reason else "open" if open_ else "fresh"
        text = reason or ("waits for " + _first_open(job, verdicts) if open_ else "up to date")
        verdicts[job.id] = Verdict(state, text, record, params[job.step.name], known)
    return verdicts


class _Digests:
    """Digests of files that no job of the run makes again: of the survey, of jobs that are up to date, and of jobs
    that are left out as asked, whose files count as they are now."""

    def __init__(self, plan: Plan, ledger: Ledger, given: Mapping[str, str]) -> None:
        self._root = plan.root
        self._ledger = ledger
        self._given = given
        self._makers = {name: job.id for job in plan.jobs for name in job.makes}
        self._left_out: dict[str, str] = {}

    def known(self, inputs: Sequence[str], verdicts: Mapping[str, Verdict]) -> Mapping[str, str]:
        """Digest of each input of a job that is known by now, by its name in the output folder."""
        found = {}
        for name in inputs:
            maker = self._makers.get(name)
            if name in self._given:
                found[name] = self._given[name]
            elif maker is None:
                found[name] = self._as_it_is(name)
            elif (verdict := verdicts[maker]).state == "fresh" and verdict.record:
                found[name] = verdict.record.outputs[name].checksum
        return found

    def _as_it_is(self, name: str) -> str:
        """Digest of a file as it is now, whoever made it; read only when it is not as its record has it."""
        if name not in self._left_out:
            stamp = self._recorded.get(name)
            same = as_it_is(self._root / name, stamp) if stamp else None
            self._left_out[name] = same.checksum if same else checksum(self._root / name)
        return self._left_out[name]

    @cached_property
    def _recorded(self) -> Mapping[str, Stamp]:
        """Stamps of all outputs that any job made."""
        return {name: stamp for record in self._ledger.records.values() for name, stamp in record.outputs.items()}


def _output_reason(job: Job, record: Record | None, root: Path, ledger: Ledger | None) -> str | None:
    """Why the outputs are not those that the record tells of; what was only touched gets a new stamp in ``ledger``."""
    renewed: dict[str, Stamp] = {}
    for name in job.makes:
        seen = stat_stamp(f"{root}{os.sep}{name}")
        if seen == NOTHING:
            return f"{name} is missing" if record else "never made"
        if record is None:
            continue
        stamp = record.outputs.get(name)
        if stamp is None:
            return f"no record of {name}"
        if seen != (stamp.size, stamp.modified):
            now = as_it_is(root / name, stamp)
            if now is None:
                return f"{name} differs from what was made"
            if now != stamp:
                renewed[name] = now
    if renewed and record is not None and ledger is not None:
        ledger.add(replace(record, outputs={**record.outputs, **renewed}))
    return None


def as_it_is(path: Path, stamp: Stamp, *, deep: bool = False) -> Stamp | None:
    """The stamp with the present time when the output holds what it held; None when it does not.

    Bytes are compared when the time differs, or with ``deep``.
    """
    size, modified = stat_stamp(path)
    if size != stamp.size or ((deep or modified != stamp.modified) and checksum(path) != stamp.checksum):
        return None
    return replace(stamp, modified=modified)


def _failed_reason(message: str) -> str | None:
    return f"failed last time: {message}" if message else None


def _record_reasons(
    job: Job,
    record: Record | None,
    params: str,
    inputs: Sequence[str],
    known: Mapping[str, str],
    *,
    words: Words,
) -> Iterator[Sequence[str]]:
    """Why what the job would be made from is not what the record tells of, one kind of change after the other."""
    if record is None:
        yield ("no record of it",)
        return
    if record.version != job.step.version:
        yield (f"version of the step: {record.version} → {job.step.version}",)
    if record.params != params:
        yield words.parameters(job, record.params, params)
    wanted = set(inputs)
    if wanted != record.inputs.keys():
        new, gone = sorted(wanted - record.inputs.keys()), sorted(record.inputs.keys() - wanted)
        yield ("other inputs: " + ", ".join([*(f"+ {name}" for name in new[:2]), *(f"- {name}" for name in gone[:2])]),)
    for name, digest in known.items():
        if record.inputs.get(name, digest) != digest:
            yield words.content(name)


def _first(groups: Iterator[Sequence[str]]) -> str | None:
    """The first change, and how many more of its kind there are."""
    changes = next(groups, None)
    if not changes:
        return None
    return f"{changes[0]} (+ {len(changes) - 1} more)" if len(changes) > 1 else changes[0]


def all_reasons(job: Job, verdict: Verdict, words: Words) -> list[str]:
    """Every reason for the verdict that ``assess`` gave, the one that it tells first."""
    known = _record_reasons(job, verdict.record, verdict.params, job.reads, verdict.known, words=words)
    found = [change for changes in known for change in changes] if verdict.record is not None else []
    failed = _failed_reason(words.failure(job.id))
    first = [] if found and verdict.reason.startswith(f"{found[0]} (+ ") else [verdict.reason]
    return list(dict.fromkeys([*first, *found, *([failed] if failed else [])]))


def _first_open(job: Job, verdicts: Mapping[str, Verdict]) -> str:
    return next(need for need in job.needs if need in verdicts and verdicts[need].state != "fresh")


def relative(path: Path, root: Path) -> str:
    """A path of the output tree as records have it."""
    text, base = str(path), f"{root}{os.sep}"
    return intern(text[len(base) :] if text.startswith(base) else path.relative_to(root).as_posix())


# ---------------------------------------------------------------------------------------------------- parameters


def params_digest(params: Any) -> str:
    """Digest of a step's parameters. A path to a file stands for the bytes of the file, wherever it lies."""
    return _digest(json.dumps(_plain(params), ensure_ascii=False, sort_keys=True))


def _plain(value: Any) -> Any:
    """Values that JSON has, with what they mean."""
    for kind, plain in _PLAIN:
        if isinstance(value, kind):
            return plain(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"parameters hold a {type(value).__name__}, which has no digest")


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (NoneType | str | int | float, lambda value: value),
    (Path, lambda value: {"content": checksum(value)} if value.is_file() else {"path": str(value)}),
    (date, lambda value: value.isoformat()),
    (tuple | list, lambda value: [_plain(item) for item in value]),
    (Mapping, lambda value: [[_plain(key), _plain(item)] for key, item in value.items()]),
    (Artifact, lambda value: value.path),
    (BaseModel, lambda value: {name: _plain(getattr(value, name)) for name in type(value).model_fields}),
)
"""Kinds of values and what stands for them; dataclasses come after."""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
