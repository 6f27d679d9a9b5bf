"""Verdicts on jobs: which are stale and why, from the comparison of their inputs and outputs with their records."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from iota2.core.graph import Artifact
from iota2.errors import UserError
from iota2.runs.plan.jobs import Job, Plan, without_garbage_collection
from iota2.runs.records.records import Ledger, Record
from iota2.runs.records.stamps import MISSING_STAMP, Stamp, checksum, stat_stamp, unchanged_stamp

State = Literal["fresh", "stale", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a job has to run."""

    state: State
    """``open``: the job runs only if its inputs differ after upstream jobs have run."""
    reason: str
    record: Record | None
    params: str
    known: Mapping[str, str]
    """Digests of the inputs that no job of this run makes."""

    @property
    def measured(self) -> Record | None:
        """The record, if it was made with the same parameters: its time and memory are those of the job."""
        return self.record if self.record is not None and self.record.params == self.params else None


class ChangeDescriptions(Protocol):
    """Descriptions of the changes that different digests indicate; each method but ``failure`` returns at least one."""

    def parameters(self, job: Job, former: str, now: str) -> Sequence[str]:
        """Changes between the parameters with the digests ``former`` and ``now``, the latter of the job."""
        ...

    def content(self, name: str) -> Sequence[str]:
        """Changes of an input of a job."""
        ...

    def failure(self, id_: str) -> str:
        """Error message of the last run of a job; empty if it did not fail."""
        ...


class GenericDescriptions:
    """Descriptions that do not name what has changed."""

    def parameters(self, job: Job, former: str, now: str) -> Sequence[str]:
        """See ``ChangeDescriptions``."""
        return ("parameters changed",)

    def content(self, name: str) -> Sequence[str]:
        """See ``ChangeDescriptions``."""
        return (f"{name} changed",)

    def failure(self, id_: str) -> str:
        """See ``ChangeDescriptions``."""
        return ""


@without_garbage_collection()
def assess(
    plan: Plan,
    ledger: Ledger,
    survey_digests: Mapping[str, str],
    *,
    force: Iterable[str] = (),
    renew: bool = False,
    descriptions: ChangeDescriptions | None = None,
) -> dict[str, Verdict]:
    """A verdict for each job of ``plan``, in its order. ``survey_digests``: digests of the files of the survey.

    A job is stale for the first of these reasons: it is forced; an output is missing, not in its record, or differs
    from its stamp; it has no record; the version of the step, the parameters, the set of inputs, or the digest of an
    input has changed. With ``renew``, which requires the lock of the folder, unchanged outputs with a new modification
    time get a new stamp in the ledger; otherwise nothing is written.
    """
    forced, digests = set(force), _Digests(plan, ledger, survey_digests)
    descriptions = descriptions or GenericDescriptions()
    verdicts: dict[str, Verdict] = {}
    params: dict[str, str] = {}
    for job in plan.jobs:
        if job.step.name not in params:
            params[job.step.name] = _digest_of_parameters(job)
        inputs = job.reads
        record, known = ledger.records.get(job.id), digests.known(inputs, verdicts)
        if record is not None and known == record.inputs:
            known = record.inputs  # equal mappings share one object
        reason = f"--force {job.step.name}" if job.step.name in forced else None
        reason = reason or (_failed_reason(descriptions.failure(job.id)) if record is None else None)
        reason = reason or _output_reason(job, record, plan.root, ledger if renew else None)
        reason = reason or _first(
            _record_reasons(job, record, params[job.step.name], inputs, known, descriptions=descriptions)
        )
        open_ = any(verdicts[need].state != "fresh" for need in job.needs if need in verdicts)
        state: State = "stale" if reason else "open" if open_ else "fresh"
        text = reason or ("waits for " + _first_open(job, verdicts) if open_ else "up to date")
        verdicts[job.id] = Verdict(state, text, record, params[job.step.name], known)
    return verdicts


class _Digests:
    """Digests of inputs: files of the survey, of up-to-date jobs, and of excluded jobs (their current files)."""

    def __init__(self, plan: Plan, ledger: Ledger, survey_digests: Mapping[str, str]) -> None:
        self._root = plan.root
        self._ledger = ledger
        self._survey_digests = survey_digests
        self._makers = {name: job.id for job in plan.jobs for name in job.makes}
        self._excluded: dict[str, str] = {}

    def known(self, inputs: Sequence[str], verdicts: Mapping[str, Verdict]) -> Mapping[str, str]:
        """Known digests of the inputs of a job, by path in the output folder."""
        found = {}
        for name in inputs:
            maker = self._makers.get(name)
            if name in self._survey_digests:
                found[name] = self._survey_digests[name]
            elif maker is None:
                found[name] = self._current(name)
            elif (verdict := verdicts[maker]).state == "fresh" and verdict.record:
                found[name] = verdict.record.outputs[name].checksum
        return found

    def _current(self, name: str) -> str:
        """Digest of the current file; bytes are read only if size or time differ from its record."""
        if name not in self._excluded:
            stamp = self._recorded.get(name)
            same = unchanged_stamp(self._root / name, stamp) if stamp else None
            self._excluded[name] = same.checksum if same else checksum(self._root / name)
        return self._excluded[name]

    @cached_property
    def _recorded(self) -> Mapping[str, Stamp]:
        """Stamps of all recorded outputs."""
        return {name: stamp for record in self._ledger.records.values() for name, stamp in record.outputs.items()}


def _output_reason(job: Job, record: Record | None, root: Path, ledger: Ledger | None) -> str | None:
    """Why outputs differ from the record; unchanged ones with a new time get a new stamp in ``ledger``."""
    renewed: dict[str, Stamp] = {}
    for name in job.makes:
        seen = stat_stamp(f"{root}{os.sep}{name}")
        if seen == MISSING_STAMP:
            return f"{name} is missing" if record else "never made"
        if record is None:
            continue
        stamp = record.outputs.get(name)
        if stamp is None:
            return f"no record of {name}"
        if seen != (stamp.size, stamp.modified):
            now = unchanged_stamp(root / name, stamp)
            if now is None:
                return f"{name} has changed since it was made"
            if now != stamp:
                renewed[name] = now
    if renewed and record is not None and ledger is not None:
        ledger.add(replace(record, outputs={**record.outputs, **renewed}))
    return None


def _failed_reason(message: str) -> str | None:
    return f"failed in the last run: {message}" if message else None


def _record_reasons(
    job: Job,
    record: Record | None,
    params: str,
    inputs: Sequence[str],
    known: Mapping[str, str],
    *,
    descriptions: ChangeDescriptions,
) -> Iterator[Sequence[str]]:
    """Changes of the job's inputs since its record, one group for each kind of change."""
    if record is None:
        yield ("no record of it",)
        return
    if record.version != job.step.version:
        versions = f"version of the step: {record.version} → {job.step.version}"
        yield (f"{job.step.source} changed" if job.step.source else versions,)
    if record.params != params:
        yield descriptions.parameters(job, record.params, params)
    wanted = set(inputs)
    if wanted != record.inputs.keys():
        new, gone = sorted(wanted - record.inputs.keys()), sorted(record.inputs.keys() - wanted)
        yield ("other inputs: " + ", ".join([*(f"+ {name}" for name in new[:2]), *(f"- {name}" for name in gone[:2])]),)
    for name, digest in known.items():
        if record.inputs.get(name, digest) != digest:
            yield descriptions.content(name)


def _first(groups: Iterator[Sequence[str]]) -> str | None:
    """The first change, with the number of further changes of its kind."""
    changes = next(groups, None)
    if not changes:
        return None
    return f"{changes[0]} (+ {len(changes) - 1} more)" if len(changes) > 1 else changes[0]


def all_reasons(job: Job, verdict: Verdict, descriptions: ChangeDescriptions) -> list[str]:
    """All reasons for a verdict, that of ``assess`` first."""
    groups = [
        *_record_reasons(job, verdict.record, verdict.params, job.reads, verdict.known, descriptions=descriptions)
    ]
    found = [change for changes in groups for change in changes] if verdict.record is not None else []
    failed = _failed_reason(descriptions.failure(job.id))
    first = [] if verdict.reason == _first(iter(groups)) else [verdict.reason]
    return list(dict.fromkeys([*first, *found, *([failed] if failed else [])]))


def _first_open(job: Job, verdicts: Mapping[str, Verdict]) -> str:
    return next(need for need in job.needs if need in verdicts and verdicts[need].state != "fresh")


def _digest_of_parameters(job: Job) -> str:
    """Digest of a job's parameters; UserError for parameters of a user's step that have none."""
    try:
        return params_digest(job.params)
    except TypeError as err:
        if not job.step.source:
            raise
        raise UserError(
            f"{job.step.source}: step {job.step.name}: {err}. Use texts, numbers, lists or dataclasses"
        ) from err


def params_digest(params: Any) -> str:
    """Digest of a step's parameters. A path counts by the bytes of its file, regardless of the location."""
    return _digest(json.dumps(_plain(params), ensure_ascii=False, sort_keys=True))


def _plain(value: Any) -> Any:
    """Conversion of parameters to values for JSON."""
    for kind, plain in _PLAIN:
        if isinstance(value, kind):
            return plain(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"parameters contain a {type(value).__name__}, which has no digest")


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (NoneType | str | int | float, lambda value: value),
    (Path, lambda value: {"content": checksum(value)} if value.is_file() else {"path": str(value)}),
    (date, lambda value: value.isoformat()),
    (tuple | list, lambda value: [_plain(item) for item in value]),
    (Mapping, lambda value: [[_plain(key), _plain(item)] for key, item in value.items()]),
    (Artifact, lambda value: value.path),
    (BaseModel, lambda value: {name: _plain(getattr(value, name)) for name in type(value).model_fields}),
)
"""Types of values and their conversions; the first match applies, then dataclasses."""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
