"""Planning: the complete list of jobs with all their paths, from the steps and rows of a run."""

from __future__ import annotations

import gc
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import Any

from iota2.core.graph import AXES, Artifact, JobContext, Key, MultiplePaths, PathKind, Paths, Resources, Step, Values
from iota2.errors import UserError
from iota2.runs.plan.artifacts import made_artifacts, made_by, read_by

Row = Mapping[str, str | int]
"""One valid combination of values of the axes, by name of the axis."""


@dataclass(frozen=True, slots=True)
class Job:
    """One step for one key, with all its input and output paths."""

    id: str
    step: Step
    key: Mapping[str, str | int]
    inp: Paths
    out: Paths
    params: Any
    task: str
    needs: tuple[str, ...]
    """Ids of the jobs whose outputs this job reads."""

    def context(self, use: Resources) -> JobContext:
        """The argument of the step's function."""
        return JobContext(self.inp, self.out, Key.of(**self.key), self.params, use)

    @property
    def makes(self) -> tuple[str, ...]:
        """Files and folders that the job makes, relative to the output folder."""
        return _names(self.out)

    @property
    def products(self) -> tuple[str, ...]:
        """Output files that are products, relative to the output folder."""
        names = (name for name in self.out.bound if self.step.makes[name].role == "product")
        return tuple(path for name in names for path in self.out.names(name))

    @property
    def reads(self) -> tuple[str, ...]:
        """Files and folders of the output folder that the job reads, relative to it."""
        return _names(self.inp)


def _names(paths: Paths) -> tuple[str, ...]:
    return tuple(name for artifact in paths.bound for name in paths.names(artifact))


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, each after the jobs that it needs."""

    root: Path
    numbers: Mapping[str, int]
    """Number of each step, active or not, by its name."""
    steps: tuple[Step, ...]
    """Active steps, in the order of the chain."""
    jobs: tuple[Job, ...]
    given: tuple[str, ...]
    """Inputs that no job makes, relative to the output folder: the survey's files."""

    @cached_property
    def by_id(self) -> Mapping[str, Job]:
        """Jobs by their id."""
        return {job.id: job for job in self.jobs}

    def restricted(self, steps: Iterable[str]) -> Plan:
        """The plan with the jobs of the given steps only; their needs for other jobs are dropped.

        Raises UserError if an input that an excluded job makes does not exist.
        """
        wanted = set(steps)
        kept = tuple(job for job in self.jobs if job.step.name in wanted)
        ids = {job.id for job in kept}
        self._require_inputs(kept, ids)
        jobs = tuple(
            Job(
                job.id,
                job.step,
                job.key,
                job.inp,
                job.out,
                job.params,
                job.task,
                tuple(n for n in job.needs if n in ids),
            )
            for job in kept
        )
        return Plan(self.root, self.numbers, self.steps, jobs, self.given)

    def _require_inputs(self, kept: Sequence[Job], ids: set[str]) -> None:
        excluded_makers = {name: job for job in self.jobs if job.id not in ids for name in job.makes}
        missing = {
            excluded_makers[name].step.name: name
            for job in kept
            for name in job.reads
            if name in excluded_makers and not (self.root / name).exists()
        }
        if missing:
            lines = "\n".join(f"  {self.root / name} (made by step {step})" for step, name in missing.items())
            raise UserError(
                "The selected steps need files of earlier steps that do not exist:\n"
                f"{lines}\nStart from an earlier step (--first-step, chain.first_step; Iota2.py: -starting_step)."
            )


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection of reference cycles during the body or the decorated function.

    Plans and records are millions of small, long-lived objects without cycles; scanning them takes a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@without_garbage_collection()
def make_plan(
    steps: Sequence[Step],
    rows: Sequence[Row],
    config: Any,
    *,
    root: Path,
    constants: Mapping[str, str | int],
    given: Iterable[Artifact] = (),
) -> Plan:
    """All jobs of the active ``steps``, with the artifacts that ``made_artifacts`` selects.

    A step has one job for each distinct combination of the axes ``step.over`` in ``rows``. An artifact with the same
    axes as the job gives one path, one with more axes a mapping of paths, and one with fewer axes a path that several
    jobs share. A job needs the jobs that make its inputs. ``given``: artifacts that no job makes. Raises ValueError if
    two jobs would make the same path, or if no job makes an input.
    """
    active = tuple(step for step in steps if step.when(config))
    given = tuple(given)
    made = made_artifacts(active, config, given)
    binder = _Binder(rows, root, constants)
    given_names = set(_names(binder.bind_all({artifact.path: artifact for artifact in given}, {})))
    makers: dict[str, str] = {}
    jobs: list[Job] = []
    for step in active:
        of_step = [*_jobs_of(step, config, binder, made, makers=makers, given_names=given_names)]
        for job in of_step:
            for name in job.makes:
                if makers.setdefault(name, job.id) != job.id:
                    raise ValueError(f"{job.id} and {makers[name]} both make {name}")
        jobs += of_step
    numbers = {step.name: number for number, step in enumerate(steps, start=1)}
    return Plan(root, numbers, active, tuple(jobs), tuple(sorted(given_names)))


def _jobs_of(
    step: Step,
    config: Any,
    binder: _Binder,
    made: Set[Artifact],
    *,
    makers: Mapping[str, str],
    given_names: Container[str],
) -> Iterator[Job]:
    """The jobs of one step, in row order."""
    params, reads, makes = step.params(config), read_by(step, made), made_by(step, made)
    for key in binder.keys(step.over):
        task = step.task.format_map(key)
        inp, out = binder.bind_all(reads, key, "input"), binder.bind_all(makes, key, "output")
        yield Job(f"{step.name}/{task}", step, key, inp, out, params, task, _makers(step, inp, makers, given_names))


@dataclass(frozen=True)
class _Binder:
    """Binding of artifacts to paths, for the rows of one run."""

    rows: Sequence[Row]
    root: Path
    constants: Mapping[str, str | int]

    @cached_property
    def _tables(self) -> dict[frozenset[str], list[Row]]:
        """The rows by the axes that they have."""
        tables: dict[frozenset[str], list[Row]] = {}
        for row in self.rows:
            tables.setdefault(frozenset(row), []).append(row)
        return tables

    @cached_property
    def _distinct(self) -> dict[tuple[str, ...], list[tuple[str | int, ...]]]:
        return {}

    @cached_property
    def _bound(self) -> dict[tuple[str, tuple[str, ...]], dict[Values, str | MultiplePaths]]:
        return {}

    def _values(self, axes: tuple[str, ...]) -> list[tuple[str | int, ...]]:
        """Distinct values of some axes, in row order, from the rows that have all of them."""
        if axes not in self._distinct:
            rows = (row for known, rows in self._tables.items() if known.issuperset(axes) for row in rows)
            self._distinct[axes] = list(dict.fromkeys(tuple([row[axis] for axis in axes]) for row in rows))
        return self._distinct[axes]

    def keys(self, over: tuple[str, ...]) -> list[Row]:
        """Distinct values of the axes ``over``, in row order."""
        return [dict(zip(over, values, strict=True)) for values in self._values(over)]

    def bind(self, artifact: Artifact, key: Row) -> str | MultiplePaths:
        """The path of ``artifact`` for the rows that match ``key``; several paths for an artifact with more axes."""
        fixed = tuple(axis for axis in AXES if axis in key)
        which = (artifact.path, fixed)
        if which not in self._bound:
            self._bound[which] = self._bind_all_keys(artifact, fixed)
        return self._bound[which].get(tuple(key[axis] for axis in fixed), MultiplePaths((), {}))

    def _bind_all_keys(self, artifact: Artifact, fixed: tuple[str, ...]) -> dict[Values, str | MultiplePaths]:
        """Paths of ``artifact`` by values of the axes ``fixed``, then of its other axes, in one pass over the rows."""
        free = tuple(axis for axis in artifact.axes if axis not in fixed)
        count, axes = len(fixed), (*fixed, *free)
        bound: dict[Values, dict[Values, str]] = {}
        for values in self._values(axes):
            text = artifact.path.format_map({**self.constants, **dict(zip(axes, values, strict=True))})
            bound.setdefault(values[:count], {})[values[count:]] = intern(text)
        if not free:
            return {values: paths[()] for values, paths in bound.items()}
        return {values: MultiplePaths(free, paths) for values, paths in bound.items()}

    def bind_all(self, artifacts: Mapping[str, Artifact], key: Row, kind: PathKind = "path") -> Paths:
        """The paths of a job's artifacts."""
        return Paths(self.root, {name: self.bind(artifact, key) for name, artifact in artifacts.items()}, kind)


def _makers(step: Step, inp: Paths, makers: Mapping[str, str], given_names: Container[str]) -> tuple[str, ...]:
    """Ids of the jobs that make the inputs of a job; ValueError for an input that no job makes."""
    needs: dict[str, None] = {}
    for name in _names(inp):
        maker = makers.get(name)
        if maker is not None:
            needs[maker] = None
        elif name not in given_names:
            raise ValueError(f"{step.name}: nothing makes {name}")
    return tuple(needs)
