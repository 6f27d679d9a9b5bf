"""Step: copies of samples between the models of one seed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.compute.sample_copies import Copy, CopyCount, drawn, repeated, shortage
from iota2.compute.submodels import models_by_name
from iota2.config.options.schema import Config
from iota2.core.cost import SAMPLE_BYTES, SAMPLE_VALUE_BYTES, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.tables import CODE
from iota2.io.files.atomic import link_or_copy, write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.sample_rules import copies_csv, read_copies
from iota2.io.tables.sample_tables import append_rows, read_points
from iota2.io.tables.samples import read_columns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CopyingParams:
    """File of rules, and random seed of the run."""

    sample_management: Path
    random_seed: int


def params(config: Config) -> CopyingParams:
    """Parameters of the step; it runs only with `sample_management`."""
    arg_train = config.arg_train
    assert arg_train.sample_management is not None, "the step is not active without the option"
    return CopyingParams(arg_train.sample_management, arg_train.seed)


def run(job: JobContext[CopyingParams]) -> None:
    """Append copied samples to those of each model; all copies are drawn from the samples before any copy."""
    tables = {key.model: path for key, path in job.inp.each("samples")}
    models = _models(job)
    classes = read_classes(job.inp.classes)
    rules, warnings = read_copies(job.params.sample_management, models, classes)
    for text in warnings:
        log.warning("%s", text)
    pools = _pools(tables, {rule: [one for one in models[rule.source] if one != rule.destination] for rule in rules})
    rows = drawn({rule: pool.codes for rule, pool in pools.items()}, seed=job.params.random_seed + job.key.seed)
    counts = []
    for key, path in job.out.each("copied"):
        own = {rule: rows[rule] for rule in rules if rule.destination == key.model}
        kept = _new_places(tables[key.model], pools, own)
        if any(len(at) for at in kept.values()):
            append_rows(tables[key.model], _by_table(pools, kept), path)
        else:
            link_or_copy(tables[key.model], path)
        counts += [
            CopyCount(rule, int((pools[rule].codes == rule.code).sum()), len(at), len(rows[rule]) - len(at))
            for rule, at in kept.items()
        ]
    for count in counts:
        if text := shortage(count, str(classes.label(count.rule.code))):
            log.warning("%s", text)
    log.info("copied %d samples by %d rules", sum(count.copied for count in counts), len(rules))
    write_text(job.out.counts, copies_csv(counts))


def _models(job: JobContext[CopyingParams]) -> dict[str, tuple[str, ...]]:
    """The models that each name of the file of rules can mean."""
    found: dict[str, list[str]] = {}
    for key, _ in job.inp.each("samples"):
        found.setdefault(key.region, []).append(key.model)
    return models_by_name(found)


@dataclass(frozen=True, eq=False)
class _Pool:
    """The samples of one model or several, one after the other, from which a rule draws."""

    tables: tuple[Path, ...]
    borders: np.ndarray
    """(table - 1,) position of the first sample of each table but the first."""
    codes: np.ndarray
    """(sample,) class codes; 0 for a pixel that an earlier model also has."""
    points: np.ndarray
    """(sample, 2) coordinates."""

    def by_table(self, rows: np.ndarray) -> list[tuple[Path, np.ndarray]]:
        """Ascending positions ``rows`` as positions in each table."""
        parts = np.split(rows, np.searchsorted(rows, self.borders))
        return [(path, at - first) for path, at, first in zip(self.tables, parts, [0, *self.borders], strict=True)]


def _pools(tables: Mapping[str, Path], sources: Mapping[Copy, Sequence[str]]) -> dict[Copy, _Pool]:
    """The samples from which each rule draws; ``sources``: names of its models."""
    read = {models: _read_pool([tables[name] for name in models]) for models in {*map(tuple, sources.values())}}
    return {rule: read[tuple(models)] for rule, models in sources.items()}


def _read_pool(tables: Sequence[Path]) -> _Pool:
    codes = [read_columns(path, [CODE], int)[:, 0] for path in tables]
    points = np.concatenate([read_points(path) for path in tables])
    again = repeated(points[:0], points) if len(tables) > 1 else False
    borders = np.cumsum([len(one) for one in codes])[:-1]
    return _Pool(tuple(tables), borders, np.where(again, 0, np.concatenate(codes)), points)


def _new_places(table: Path, pools: Mapping[Copy, _Pool], rows: Mapping[Copy, np.ndarray]) -> dict[Copy, np.ndarray]:
    """The drawn rows whose pixel is not yet among the samples of ``table`` or an earlier rule."""
    if not rows:
        return {}
    places = np.concatenate([pools[rule].points[at] for rule, at in rows.items()])
    parts = np.split(~repeated(read_points(table), places), np.cumsum([len(at) for at in rows.values()])[:-1])
    return {rule: at[new] for (rule, at), new in zip(rows.items(), parts, strict=True)}


def _by_table(pools: Mapping[Copy, _Pool], rows: Mapping[Copy, np.ndarray]) -> Sequence[tuple[Path, np.ndarray]]:
    """Tables of the sources with the positions of all their copied rows, ascending."""
    found: dict[Path, list[np.ndarray]] = {}
    for rule, at in rows.items():
        for path, part in pools[rule].by_table(at):
            found.setdefault(path, []).append(part)
    return [(path, np.sort(np.concatenate(parts))) for path, parts in sorted(found.items())]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: its disk space is a second copy of the samples of all models of a seed."""
    run = facts.run
    disk = run.samples * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * run.features) / config.arg_train.runs
    return replace(facts.raster_cost(), disk=disk)


STEP = Step(
    name="samplesManagement",
    group="sampling",
    about="Copy samples between models (with `sample_management`).",
    task="copy_samples_seed_{seed}",
    run=run,
    over=("seed",),
    needs={"samples": layout.MODEL_SAMPLES, "classes": layout.CODES},
    makes={"copied": layout.COPIED_SAMPLES, "counts": layout.COPY_COUNTS},
    params=params,
    when=layout.with_copies,
    cost=cost,
)
