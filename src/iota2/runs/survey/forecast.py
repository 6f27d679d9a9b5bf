"""Estimates of memory, disk and time before a run, and the number of workers that fit into memory."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import numpy as np

from iota2.compute.quantiles import GROUPS
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, Facts, JobFacts
from iota2.core.graph import Resources, Step, default_cost
from iota2.core.grid import resolution
from iota2.core.scene import Scene
from iota2.core.words import size_text, some
from iota2.errors import JobsFailed, OutputError
from iota2.runs.host import FULL_DISK_MESSAGES, disk_is_full
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.records.stamps import stat_stamp
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.survey import Survey

PROCESS_BYTES = 500 << 20
"""Memory in bytes of a worker or the main process after all imports and compilation, without arrays."""
START_SECONDS = 4.0
"""Seconds until workers have started."""


@dataclass(frozen=True)
class Forecast:
    """Estimates of the resources that a run needs."""

    memory: int
    """Maximum memory of all processes together, bytes."""
    disk: int
    """Bytes of files to be written, including temporary files."""
    needed_disk: int
    """Free disk space needed in bytes, after subtracting the size of replaced files."""
    seconds: float
    rough: bool
    """Whether the time of any job is estimated from constants, because no earlier run has executed it."""
    workers: int
    block: tuple[int, int] | None
    """Rows and columns of the smallest block of any tile; None if no step reports blocks."""
    guesses: Mapping[str, float] = field(default_factory=dict)
    """Mean estimated seconds by step, of jobs without a record of an earlier run."""
    unknown: tuple[str, ...] = ()
    """Steps without an estimate of their disk space."""

    def text(self, free: int) -> str:
        """The forecast in one line."""
        blocks = f", blocks of {self.block[0]} rows x {self.block[1]} columns" if self.block else ""
        replaced = f" ({size_text(self.needed_disk)} more than now)" if self.needed_disk < self.disk else ""
        known = f"at least {size_text(self.disk)}" if self.disk else "unknown"
        disk = known if self.unknown else f"about {size_text(self.disk)}"
        lacking = f" (no estimate for {some(self.unknown)})" if self.unknown else ""
        return (
            f"expected: {_duration_text(self.seconds)}{' (a rough guess)' if self.rough else ''}; memory up to "
            f"{size_text(self.memory)} in {_workers_text(self.workers)}{blocks}; disk {disk}{lacking}"
            f"{replaced}, {size_text(free)} free"
        )


def forecast_run(
    config: Config,
    found: Survey,
    plan: Plan,
    verdicts: Mapping[str, Verdict],
    *,
    use: Resources,
    workers: int,
    step_resources: Mapping[str, Resources] | None = None,
    freed: int | None = None,
) -> Forecast:
    """The forecast for the jobs that are not up to date, on ``workers`` processes (0: this process).

    ``use``: resources of a job, except of the steps in ``step_resources``. ``freed``: bytes of all files that are
    removed first; None if each job replaces its own files. ConfigError if the smallest block does not fit into a job's
    memory.
    """
    jobs = [job for job in plan.jobs if verdicts[job.id].state != "fresh"]
    estimate = _JobEstimate(config, found)
    seconds, rough = _seconds(jobs, verdicts, estimate)
    disk, needed_disk = _disk(jobs, verdicts, estimate, at_once=max(1, workers), freed=freed)
    given = step_resources or {}
    return Forecast(
        memory=needed_memory(workers, budgets_of(config, found, jobs, use, given)),
        disk=int(disk),
        needed_disk=int(needed_disk),
        seconds=seconds / max(1, workers) + (START_SECONDS if workers else 0),
        rough=rough,
        workers=workers,
        block=estimate.block(plan.steps, lambda step: given.get(step.name, use)),
        guesses=_guesses(jobs, verdicts, estimate),
        unknown=_without_estimate(jobs, disk),
    )


def _guesses(jobs: Iterable[Job], verdicts: Mapping[str, Verdict], estimate: _JobEstimate) -> dict[str, float]:
    """Mean estimated seconds by step, of jobs without a record of the same options."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if verdicts[job.id].measured is None:
            seconds[job.step.name].append(estimate.cost(job).seconds)
    return {step: sum(guessed) / len(guessed) for step, guessed in seconds.items()}


def _without_estimate(jobs: Iterable[Job], disk: float) -> tuple[str, ...]:
    """Steps that declare no cost and write rasters; if the estimate is nothing at all, all that declare no cost."""
    lacking = [job for job in jobs if job.step.cost is default_cost]
    return tuple(dict.fromkeys(job.step.name for job in lacking if disk < 1 or any(map(_is_raster, job.makes))))


def _is_raster(name: str) -> bool:
    return name.lower().endswith((".tif", ".tiff"))


def _disk(
    jobs: Iterable[Job],
    verdicts: Mapping[str, Verdict],
    estimate: _JobEstimate,
    *,
    at_once: int,
    freed: int | None,
) -> tuple[float, float]:
    """Bytes that the jobs write, and the free disk space that they need.

    A file is replaced when the new one is complete, so the old one exists during the job.
    """
    kept = old = largest = together = 0.0
    for job in jobs:
        cost, there = estimate.cost(job), 0
        if freed is None and verdicts[job.id].record is not None:
            there = sum(stat_stamp(f"{job.out.root}{os.sep}{name}")[0] for name in job.makes)
        kept, old = kept + cost.disk, old + there
        largest, together = max(largest, cost.uncompressed), max(together, cost.uncompressed + there)
    disk = kept + at_once * largest
    if freed is not None:
        return disk, max(0.0, disk - freed)
    return disk, min(disk, max(0.0, kept - old) + at_once * together)


def budgets_of(
    config: Config, found: Survey, jobs: Iterable[Job], use: Resources, step_resources: Mapping[str, Resources]
) -> list[int]:
    """Bytes of the arrays of each job, largest first, for the allowed blocks and for samples."""
    estimate = _JobEstimate(config, found)
    budgets = ((job, step_resources.get(job.step.name, use).memory) for job in jobs)
    return sorted((estimate.cost(job, allowed).memory for job, allowed in budgets), reverse=True)


def needed_memory(workers: int, budgets: Sequence[int]) -> int:
    """Bytes of ``workers`` processes that run the jobs with the largest budgets at once, and of the main process."""
    return PROCESS_BYTES + workers * PROCESS_BYTES + sum(budgets[: max(1, workers)])


def fitting_workers(wanted: int, budgets: Sequence[int], available: int) -> int:
    """Number of workers that fit into the available memory, at least one; 0 for 0."""
    fitting = (count for count in range(wanted, 1, -1) if needed_memory(count, budgets) <= available)
    return next(fitting, min(wanted, 1))


def require_disk_space(root: Path, needed: int) -> int:
    """Free bytes on the disk of the output folder; OutputError if fewer than needed."""
    free = shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free
    if needed > free:
        raise OutputError(
            f"{root}: the run needs about {size_text(needed)} more on this disk, {size_text(free)} are free. Free disk "
            "space, or choose another chain.output_path. Nothing was changed."
        )
    return free


def _workers_text(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}" if workers else "this process"


def _duration_text(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class _JobEstimate:
    """Costs of jobs, as estimated by their steps."""

    def __init__(self, config: Config, found: Survey) -> None:
        self._config = config
        facts = Facts(
            found.scenes,
            found.regions,
            found.recipe,
            found.classes,
            submodels=found.submodels or {},
            sources=len(found.sources),
            function_seconds={trial.name: trial.seconds for trial in found.trials},
            rasters={raster.name: raster.pixel_bytes for raster in found.rasters},
            strips=found.strips.pixels if found.strips else {},
        )
        self.facts = replace(facts, samples=_samples(config, found, facts))

    def cost(self, job: Job, allowed: int = 0) -> Cost:
        """Cost of a job whose blocks may take ``allowed`` bytes."""
        found = job.step.cost_of(self._config, JobFacts(self.facts, job.key, allowed))
        return found

    def block(self, steps: Iterable[Step], use: Callable[[Step], Resources]) -> tuple[int, int] | None:
        """Rows and columns of the smallest block of any step and tile; None if no step reports blocks."""
        shapes = [
            shape
            for step in steps
            for tile in self.facts.scenes
            if (shape := step.block_shape_of(self._config, self.facts, tile, use(step))) is not None
        ]
        return min(shapes, key=lambda shape: shape[0] * shape[1], default=None)


def _samples(config: Config, found: Survey, facts: Facts) -> float:
    """Maximum number of selected pixels of all models and seeds, from the labelled area and the options."""
    seeds = config.arg_train.runs
    scenes = list(found.scenes.values())
    labelled = seeds * config.arg_train.ratio * found.labelled / _pixel_area(scenes)
    models, classes = seeds * facts.model_count, GROUPS if config.quantity else facts.class_count
    chosen = config.arg_train.sample_selection
    wanted = {
        "constant": (chosen.constant or 0) * classes * models,
        "total": (chosen.total or 0) * models,
        "percent": (chosen.percent or 1) * labelled,
    }
    capped = (config.arg_train.max_samples_per_class or inf) * classes * models
    return min(labelled, capped, wanted.get(chosen.strategy, labelled))


def _pixel_area(scenes: Iterable[Scene]) -> float:
    """Area of the smallest pixel."""
    return float(min(np.prod(resolution(scene.geobox)) for scene in scenes))


def _seconds(jobs: Iterable[Job], verdicts: Mapping[str, Verdict], estimate: _JobEstimate) -> tuple[float, bool]:
    """Sum of the seconds of all jobs, and whether any of them is a guess."""
    seconds, rough = 0.0, False
    for job in jobs:
        record = verdicts[job.id].measured
        rough |= record is None
        seconds += record.seconds if record is not None else estimate.cost(job).seconds
    return seconds, rough


@contextmanager
def full_disk_message(root: Path, needed: int, resume: str) -> Iterator[None]:
    """Add free and needed disk space to errors of the body that are due to a full disk."""
    try:
        yield
    except JobsFailed as failed:
        if any(words in str(failed) for words in FULL_DISK_MESSAGES):
            raise JobsFailed(f"{_full_disk_text(root, needed)}\n{failed}") from failed
        raise
    except OSError as err:
        if disk_is_full(err):
            raise OutputError(
                f"{_full_disk_text(root, needed)}\nCompleted jobs are kept. Free disk space, then run: {resume}"
            ) from err
        raise


def _full_disk_text(root: Path, needed: int) -> str:
    free = size_text(shutil.disk_usage(root).free)
    return f"{root}: the disk is full: {free} free now; the run needed about {size_text(needed)}."
