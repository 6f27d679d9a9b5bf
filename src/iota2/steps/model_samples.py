"""Samples of the models for the accuracy report, from the counts of the steps of sampling and from the models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from iota2.classifiers.models import read_training
from iota2.compute.sample_copies import CopyCount, shortage
from iota2.core.graph import JobContext, Key
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.augmentation_counts import read_augmentation
from iota2.io.tables.class_statistics import read_class_statistics
from iota2.io.tables.sample_rules import read_copy_counts
from iota2.report.results.samples import ClassSamples, class_samples


def model_samples(job: JobContext) -> tuple[ClassSamples, ...]:
    """Samples of each class in each model."""
    found: list[ClassSamples] = []
    for key, path in job.inp.each("models"):
        copied = Counter[int]()
        for one in copy_counts(job, key.seed):
            if one.rule.destination == key.region:
                copied[one.rule.code] += one.copied
        found += class_samples(
            key.region,
            key.seed,
            read_class_statistics(job.inp.at("samples", seed=key.seed), key.region),
            copied=copied,
            added=_added(job, key),
            weights=read_training(path).weights,
        )
    return tuple(found)


def copy_counts(job: JobContext, seed: int) -> tuple[CopyCount, ...]:
    """Numbers of the copied samples of each rule; empty without copies."""
    return read_copy_counts(job.inp.at("copies", seed=seed)) if "copies" in job.inp else ()


def _added(job: JobContext, key: Key) -> Mapping[int, int]:
    if "augmentation" not in job.inp:
        return {}
    return read_augmentation(job.inp.at("augmentation", region=key.region, seed=key.seed))


def copy_notes(job: JobContext, classes: Nomenclature) -> Iterator[str]:
    """Notes on rules of copies that request more samples than there are."""
    for seed in sorted({key.seed for key, _ in job.inp.each("samples")}):
        for one in copy_counts(job, seed):
            if text := shortage(one, classes.name(one.rule.code)):
                yield f"Seed {seed}: arg_train.sample_management: {text}"
