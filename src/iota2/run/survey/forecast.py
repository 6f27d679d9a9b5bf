"""What a run will need of memory, disk and time, told before it begins, and how many workers fit into the memory."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np

from iota2.config.options.schema import Config
from iota2.core.cost import Cost, Facts, JobFacts
from iota2.core.graph import Resources, Step
from iota2.core.grid import resolution
from iota2.core.scene import Scene
from iota2.errors import JobsFailed, OutputError
from iota2.run.host import _FULL, disk_is_full
from iota2.run.plan.jobs import Job, Plan
from iota2.run.records.stamps import stat_stamp
from iota2.run.records.verdicts import Verdict
from iota2.run.survey.survey import Survey

BASE = 500 << 20
"""Bytes of a process that has everything imported and compiles, before it holds a block; of the main process too."""
STARTING = 4.0
"""Seconds until workers are there."""


@dataclass(frozen=True)
class Forecast:
    """What is expected of a run. Estimates, not limits."""

    memory: int
    """Bytes of all processes at a time, at most."""
    disk: int
    """Bytes of files to be written, those of the moment included."""
    room: int
    """Bytes of them that need room: no more than take the place of files of earlier runs."""
    seconds: float
    rough: bool
    """No earlier run tells how long the jobs take: from a few measured constants."""
    workers: int
    block: tuple[int, int] | None
    """Rows and columns of what is computed at once, on the tile where they are smallest; None when no step tells."""
    guesses: Mapping[str, float] = field(default_factory=dict)
    """By step, the mean seconds of the jobs of which no earlier run tells."""

    def text(self, free: int) -> str:
        """One line to read."""
        blocks = f", blocks of {self.block[0]} rows x {self.block[1]} columns" if self.block else ""
        replaced = f" ({size(self.room)} beside what they replace)" if self.room < self.disk else ""
        return (
            f"expected: {_duration(self.seconds)}{' (a rough guess)' if self.rough else ''}; memory up to "
            f"{size(self.memory)} in {_place(self.workers)}{blocks}; disk about {size(self.disk)}"
            f"{replaced}, {size(free)} free"
        )


def forecast_run(
    config: Config,
    found: Survey,
    plan: Plan,
    verdicts: Mapping[str, Verdict],
    *,
    use: Resources,
    workers: int,
    shares: Mapping[str, Resources] | None = None,
    freed: int | None = None,
) -> Forecast:
    """What the jobs that are not up to date will need, on ``workers`` processes (0: this one).

    ``shares`` are the resources of steps that do not get ``use``. ``freed``: bytes of all files that are removed
    first; None when each job replaces its own. ConfigError when the smallest block does not fit a job's memory.
    """
    jobs = [job for job in plan.jobs if verdicts[job.id].state != "fresh"]
    need = _JobEstimate(config, found)
    seconds, rough = _seconds(jobs, verdicts, need)
    disk, room = _disk(jobs, verdicts, need, at_once=max(1, workers), freed=freed)
    given = shares or {}
    return Forecast(
        memory=needed_memory(workers, budgets_of(config, found, jobs, use, given)),
        disk=int(disk),
        room=int(room),
        seconds=seconds / max(1, workers) + (STARTING if workers else 0),
        rough=rough,
        workers=workers,
        block=need.block(plan.steps, lambda step: given.get(step.name, use)),
        guesses=_guesses(jobs, verdicts, need),
    )


def _guesses(jobs: Iterable[Job], verdicts: Mapping[str, Verdict], need: _JobEstimate) -> dict[str, float]:
    """By step, the mean of what is guessed for its jobs without a record."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if verdicts[job.id].record is None:
            seconds[job.step.name].append(need.cost(job).seconds)
    return {step: sum(guessed) / len(guessed) for step, guessed in seconds.items()}


def _disk(
    jobs: Iterable[Job],
    verdicts: Mapping[str, Verdict],
    need: _JobEstimate,
    *,
    at_once: int,
    freed: int | None,
) -> tuple[float, float]:
    """Bytes that the jobs write, and for how many of them there must be room.

    A file is replaced when the new one is whole, so while a job runs the old ones are there too.
    """
    kept = old = largest = together = 0.0
    for job in jobs:
        cost, there = need.cost(job), 0
        if freed is None and verdicts[job.id].record is not None:
            there = sum(stat_stamp(f"{job.out.root}{os.sep}{name}")[0] for name in job.makes)
        kept, old = kept + cost.disk, old + there
        largest, together = max(largest, cost.unpacked), max(together, cost.unpacked + there)
    disk = kept + at_once * largest
    if freed is not None:
        return disk, max(0.0, disk - freed)
    return disk, min(disk, max(0.0, kept - old) + at_once * together)


def budgets_of(
    config: Config, found: Survey, jobs: Iterable[Job], use: Resources, shares: Mapping[str, Resources]
) -> list[int]:
    """Bytes for the arrays of each job, largest first: of blocks, as they are allowed, and of samples."""
    need = _JobEstimate(config, found)
    budgets = ((job, shares.get(job.step.name, use).memory) for job in jobs)
    return sorted((need.cost(job, allowed).memory for job, allowed in budgets), reverse=True)


def needed_memory(workers: int, budgets: Sequence[int]) -> int:
    """Bytes of ``workers`` processes that run the jobs with the largest budgets at a time, and of the main one."""
    return BASE + workers * BASE + sum(budgets[: max(1, workers)])


def fitting_workers(wanted: int, budgets: Sequence[int], available: int) -> int:
    """Workers that fit the memory that is there, at least one; 0 stays 0."""
    fitting = (count for count in range(wanted, 1, -1) if needed_memory(count, budgets) <= available)
    return next(fitting, min(wanted, 1))


def require_room(root: Path, needed: int) -> int:
    """Bytes free on the disk of the output folder; OutputError when they are fewer than needed."""
    free = shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free
    if needed > free:
        raise OutputError(
            f"{root}: the run needs about {size(needed)} more on this disk, {size(free)} are free. Make room, or "
            "choose another chain.output_path. Nothing was changed."
        )
    return free


def size(count: float) -> str:
    """Bytes to read."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _place(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}" if workers else "this process"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class _JobEstimate:
    """The cost of each job, by its step."""

    def __init__(self, config: Config, found: Survey) -> None:
        samples = _samples(config, found, len(found.classes.codes) if found.classes else 1)
        self._config = config
        self.facts = Facts(found.scenes, found.regions, found.recipe, found.classes, samples)

    def cost(self, job: Job, allowed: int = 0) -> Cost:
        """What a job will need when its blocks may take the bytes that are ``allowed``."""
        found: Cost = job.step.cost(self._config, JobFacts(self.facts, job.key, allowed))
        return found

    def block(self, steps: Iterable[Step], use: Callable[[Step], Resources]) -> tuple[int, int] | None:
        """Rows and columns of the smallest block that a step computes at once on a tile; None when no step tells."""
        shapes = [
            step.block_shape(self._config, self.facts, tile, use(step))
            for step in steps
            if step.block_shape is not None
            for tile in self.facts.scenes
        ]
        return min(shapes, key=lambda shape: shape[0] * shape[1], default=None)


def _samples(config: Config, found: Survey, classes: int) -> float:
    """Selected pixels of all models and seeds, at most: of those labelled, or as many as are asked for."""
    seeds = config.arg_train.runs
    scenes = list(found.scenes.values())
    labelled = seeds * config.arg_train.ratio * found.labelled / _pixel_area(scenes)
    models = seeds * len({region for regions in found.regions.values() for region in regions})
    chosen = config.arg_train.sample_selection
    wanted = {
        "constant": (chosen.constant or 0) * classes * models,
        "total": (chosen.total or 0) * models,
        "percent": (chosen.percent or 1) * labelled,
    }
    capped = (config.arg_train.max_samples_per_class or inf) * classes * models
    return min(labelled, capped, wanted.get(chosen.strategy, labelled))


def _pixel_area(scenes: Iterable[Scene]) -> float:
    """Ground of the smallest pixel."""
    return float(min(np.prod(resolution(scene.geobox)) for scene in scenes))


def _seconds(jobs: Iterable[Job], verdicts: Mapping[str, Verdict], need: _JobEstimate) -> tuple[float, bool]:
    """Seconds of all jobs one after the other, and whether any of them had to be guessed."""
    seconds, rough = 0.0, False
    for job in jobs:
        record = verdicts[job.id].record
        rough |= record is None
        seconds += record.seconds if record is not None else need.cost(job).seconds
    return seconds, rough


@contextmanager
def full_disk_message(root: Path, needed: int, resume: str) -> Iterator[None]:
    """Say, when what the body does fails for want of room, how much is free and was needed when it began."""
    try:
        yield
    except JobsFailed as failed:
        if any(words in str(failed) for words in _FULL):
            raise JobsFailed(f"{_full_text(root, needed)}\n{failed}") from failed
        raise
    except OSError as err:
        if disk_is_full(err):
            raise OutputError(f"{_full_text(root, needed)}\nWhat is done stays. Make room, then: {resume}") from err
        raise


def _full_text(root: Path, needed: int) -> str:
    free = size(shutil.disk_usage(root).free)
    return f"{root}: the disk is full: {free} free now; about {size(needed)} were needed from here on."
