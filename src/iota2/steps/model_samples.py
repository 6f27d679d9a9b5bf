"""Samples of the models for the accuracy report, from the counts of the steps of sampling and from the models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from iota2.classifiers.models import read_training
from iota2.compute.sample_copies import CopyCount, shortage
from iota2.core.graph import Paths
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.augmentation_counts import read_augmentation
from iota2.io.tables.class_statistics import read_class_statistics
from iota2.io.tables.sample_rules import read_copy_counts
from iota2.report.results.samples import ClassSamples, class_samples


def model_samples(inp: Paths) -> tuple[ClassSamples, ...]:
    """Samples of each class in each model, from the inputs of the report."""
    found: list[ClassSamples] = []
    for key, path in inp.each("models"):
        training = read_training(path)
        if not training.samples:
            continue
        region = f"{key.region}{key.submodel}"  # samples are extracted for all sources together
        copied = Counter[int]()
        for one in copy_counts(inp, key.seed):
            if one.rule.destination == region:
                copied[one.rule.code] += one.copied
        added: Mapping[int, int] = {}
        if "augmentation" in inp:
            added = read_augmentation(inp.at("augmentation", region=key.region, submodel=key.submodel, seed=key.seed))
        extracted = read_class_statistics(inp.at("samples", seed=key.seed), region)
        found += class_samples(key.model, key.seed, extracted, copied=copied, added=added, weights=training.weights)
    return tuple(found)


def copy_counts(inp: Paths, seed: int) -> tuple[CopyCount, ...]:
    """Numbers of the copied samples of each rule; empty without copies."""
    return read_copy_counts(inp.at("copies", seed=seed)) if "copies" in inp else ()


def copy_notes(inp: Paths, classes: Nomenclature) -> Iterator[str]:
    """Notes on rules of copies that request more samples than there are."""
    for seed in sorted({key.seed for key, _ in inp.each("samples")}):
        for one in copy_counts(inp, seed):
            if text := shortage(one, classes.name(one.rule.code)):
                yield f"Seed {seed}: arg_train.sample_management: {text}"
