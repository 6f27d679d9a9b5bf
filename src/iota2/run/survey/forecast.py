"""What a run will need of memory, disk and time, told before it begins, and how many workers fit into the memory."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.classifiers.registry import untrained, validate_options
from iota2.config.options.schema import Config
from iota2.core.graph import Resources
from iota2.core.grid import part_rows, resolution
from iota2.core.scene import Scene
from iota2.errors import JobsFailed, OutputError
from iota2.run.host import _FULL, disk_is_full
from iota2.run.plan.jobs import Job, Plan
from iota2.run.records.ledger import Verdict, stat_stamp
from iota2.run.survey.survey import Survey
from iota2.steps.blocks import prediction_shapes

BASE = 500 << 20
"""Bytes of a process that has everything imported and compiles, before it holds a block; of the main process too."""
PACKED = 0.5
"""Share of their plain size that rasters take in a file: labels much less, confidence more."""
SAMPLE, VALUE = 64, 9
"""Bytes of a sample in a table, and of each of its values."""
POINT = 600
"""Bytes of a point with its attributes while it is in memory."""
SECONDS_PER_JOB = 0.3
"""Of a job that has next to nothing to do: its logs, files, records."""
READING = 0.05e-6
"""Seconds for each pixel of a band of a date: reading and resampling."""
FEATURE = 0.002e-6
"""Seconds for each pixel of a feature: ``make bench``."""
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
    block: tuple[int, int]
    """Rows and columns of what is computed at once for classification, on the tile where they are smallest."""
    guesses: Mapping[str, float] = field(default_factory=dict)
    """By step, the mean seconds of the jobs of which no earlier run tells."""

    def text(self, free: int) -> str:
        """One line to read."""
        replaced = f" ({size(self.room)} beside what they replace)" if self.room < self.disk else ""
        return (
            f"expected: {_duration(self.seconds)}{' (a rough guess)' if self.rough else ''}; memory up to "
            f"{size(self.memory)} in {_place(self.workers)}, blocks of {self.block[0]} rows "
            f"x {self.block[1]} columns; disk about {size(self.disk)}{replaced}, {size(free)} free"
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
    classes = len(found.classes.codes) if found.classes else 1
    blocks = (shares or {}).get("classification", use)
    shapes = [
        prediction_shapes(scene, found.recipe, blocks, classes, regions=len(found.regions[tile])).computed
        for tile, scene in found.scenes.items()
    ]
    return Forecast(
        memory=needed_memory(workers, budgets_of(config, found, jobs, use, shares or {})),
        disk=int(disk),
        room=int(room),
        seconds=seconds / max(1, workers) + (STARTING if workers else 0),
        rough=rough,
        workers=workers,
        block=min(shapes, key=lambda shape: shape[0] * shape[1]),
        guesses=_guesses(jobs, verdicts, need),
    )


def _guesses(jobs: Iterable[Job], verdicts: Mapping[str, Verdict], need: _JobEstimate) -> dict[str, float]:
    """By step, the mean of what is guessed for its jobs without a record."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if verdicts[job.id].record is None:
            seconds[job.step.name].append(need.seconds(job))
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
        plain, there = need.plain_bytes(job), 0
        if freed is None and verdicts[job.id].record is not None:
            there = sum(stat_stamp(f"{job.out.root}{os.sep}{name}")[0] for name in job.makes)
        kept, old = kept + need.bytes(job), old + there
        largest, together = max(largest, plain), max(together, plain + there)
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
    return sorted((need.memory(job, allowed) for job, allowed in budgets), reverse=True)


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
    """What the jobs of each step write and read, from sizes of rasters and numbers of samples."""

    def __init__(self, config: Config, found: Survey) -> None:
        self._scenes = found.scenes
        self._regions = found.regions
        self._features = len(found.recipe.names)
        self._pixels = {tile: _pixels(scene.geobox) for tile, scene in found.scenes.items()}
        self._seeds = config.arg_train.runs
        self._classes = len(found.classes.codes) if found.classes else 1
        self._label = np.dtype(found.classes.dtype).itemsize if found.classes else 1
        self._probabilities = 2 * self._classes if config.arg_classification.enable_probability_map else 0
        self._samples = _samples(config, found, self._classes)
        parameters, _ = validate_options(config.arg_train.classifier, config.arg_train.otb_classifier_options)
        self._classifier = untrained(config.arg_train.classifier, parameters)

    def pixels(self, job: Job) -> int:
        """Pixels of the ground that a job is about: a strip, a tile, or all."""
        if "part" in job.key:
            height, width = self._scenes[str(job.key["tile"])].geobox.shape
            top, bottom = part_rows(int(job.key["part"]), height)
            return (bottom - top) * width
        return self._pixels[str(job.key["tile"])] if "tile" in job.key else sum(self._pixels.values())

    def plain_bytes(self, job: Job) -> float:
        """Bytes of the rasters that a job makes, not packed: they lie beside the packed ones for a moment."""
        models = len(self._regions[str(job.key["tile"])]) * self._seeds if "tile" in job.key else 1
        answers = self._label + 4 + self._probabilities
        per_pixel = {
            "CommonMasks": 1,
            "PixelValidity": 2,
            "VectorFormatting": 2 * models,
            "classification": answers * models,
            "classificationMerge": answers,
            "classifShaping": (self._label + 1) * self._seeds + 1,
            "mosaic": (2 * self._label + 1 + self._probabilities) * self._seeds + 1,
            "confusionCmd": 1,
            "differenceMosaic": 1,
        }
        return float(self.pixels(job) * per_pixel.get(job.step.name, 0))

    def bytes(self, job: Job) -> float:
        """Bytes that stay on the disk."""
        if job.step.name in ("samplesExtraction", "samplesByModels"):
            jobs = len(self._scenes) if job.step.name == "samplesExtraction" else self._models
            return self._samples * (SAMPLE + VALUE * self._features) / jobs
        return PACKED * self.plain_bytes(job)

    def memory(self, job: Job, allowed: int) -> int:
        """Bytes of arrays at a time, when blocks may take those that are ``allowed``: samples lie beside the blocks
        that they come from, and nothing beside those that are learned from."""
        if job.step.name == "samplesExtraction":
            return allowed + int(self._most(len(self._scenes)) * self._seeds * (4 * self._features + POINT))
        if job.step.name == "learnModel":
            samples = self._most(self._models // self._seeds)
            return max(allowed, self._classifier.training_memory(samples, self._features, self._classes))
        return allowed

    def _most(self, parts: int) -> float:
        """Samples of one seed in the largest of so many tiles or regions: twice the mean, if they are several."""
        return self._samples / self._seeds * min(1.0, 2 / max(1, parts))

    @property
    def _models(self) -> int:
        return len({region for regions in self._regions.values() for region in regions}) * self._seeds

    def seconds(self, job: Job) -> float:
        """A guess for a job that nothing is known of."""
        pixels, tile = self.pixels(job), job.key.get("tile")
        reads = sum(len(s.acquisitions) * len(s.spec.bands) for s in self._scenes[str(tile)].sensors) if tile else 0
        per_pixel = {
            "coregistration": 0.1 * READING * reads,
            "CommonMasks": 0.1 * READING * reads,
            "PixelValidity": 0.1 * READING * reads,
            "samplesExtraction": READING * reads + FEATURE * self._features,
            "classification": READING * reads + FEATURE * self._features + self._classifier.pixel_seconds,
            "mosaic": 4 * READING,
        }
        return SECONDS_PER_JOB + pixels * per_pixel.get(job.step.name, READING)


def _pixels(geobox: GeoBox) -> int:
    height, width = geobox.shape
    return int(height * width)


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
        seconds += record.seconds if record is not None else need.seconds(job)
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
