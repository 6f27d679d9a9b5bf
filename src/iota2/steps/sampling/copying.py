"""Step: copies of samples between the models of one seed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.compute.sample_copies import Copy, CopyCount, drawn, repeated, shortage
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
    classes = read_classes(job.inp.classes)
    rules, warnings = read_copies(job.params.sample_management, tables, classes)
    for text in warnings:
        log.warning("%s", text)
    codes = {region: read_columns(path, [CODE], int)[:, 0] for region, path in tables.items()}
    rows = drawn(codes, rules, seed=job.params.random_seed + job.key.seed)
    counts = []
    for key, path in job.out.each("copied"):
        kept = _new_places(tables, key.model, {rule: rows[rule] for rule in rules if rule.destination == key.model})
        if any(len(at) for at in kept.values()):
            append_rows(tables[key.model], _by_source(tables, kept), path)
        else:
            link_or_copy(tables[key.model], path)
        counts += [
            CopyCount(rule, int((codes[rule.source] == rule.code).sum()), len(at), len(rows[rule]) - len(at))
            for rule, at in kept.items()
        ]
    for count in counts:
        if text := shortage(count, str(classes.label(count.rule.code))):
            log.warning("%s", text)
    log.info("copied %d samples by %d rules", sum(count.copied for count in counts), len(rules))
    write_text(job.out.counts, copies_csv(counts))


def _new_places(tables: Mapping[str, Path], region: str, rows: Mapping[Copy, np.ndarray]) -> dict[Copy, np.ndarray]:
    """The drawn rows whose pixel is not yet among the samples of the region or an earlier rule."""
    if not rows:
        return {}
    points = {name: read_points(tables[name]) for name in {rule.source for rule in rows}}
    places = np.concatenate([points[rule.source][at] for rule, at in rows.items()])
    parts = np.split(~repeated(read_points(tables[region]), places), np.cumsum([len(at) for at in rows.values()])[:-1])
    return {rule: at[new] for (rule, at), new in zip(rows.items(), parts, strict=True)}


def _by_source(tables: Mapping[str, Path], rows: Mapping[Copy, np.ndarray]) -> Sequence[tuple[Path, np.ndarray]]:
    """Tables of the sources with the positions of all their copied rows, ascending."""
    found: dict[str, list[np.ndarray]] = {}
    for rule, at in rows.items():
        found.setdefault(rule.source, []).append(at)
    return [(tables[source], np.sort(np.concatenate(parts))) for source, parts in sorted(found.items())]


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
