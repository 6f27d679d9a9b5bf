"""What the models of a run have learned from, and how: read once, for the report and ``metrics.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from iota2 import layout
from iota2.classifiers.base import CONVERGENCE, NO_SAMPLES
from iota2.classifiers.calibrated import SPLITS
from iota2.classifiers.models import read_calibration, read_context, read_training
from iota2.classifiers.registry import SCIKIT, as_options, method_name, shown_parameters, validate_options
from iota2.classifiers.transforms import Components
from iota2.compute.map_stages import SINGLE_SOURCES
from iota2.config.options.schema import Config
from iota2.config.options.train import ArgTrain
from iota2.core.files import read_text
from iota2.core.graph import SOURCES, Key, Paths
from iota2.core.losses import NO_SEGMENT_REMEDY, without_features
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.class_statistics import read_class_statistics
from iota2.io.tables.rates import borrows, losses, read_rates
from iota2.io.tables.recipes import read_recipe
from iota2.report.results.fused_models import FusedModels, fused_models_remarks
from iota2.report.results.names import model_title
from iota2.report.results.page import ModelView
from iota2.report.results.reductions import ReducedGroup, ReducedModel, reduction_remarks
from iota2.report.results.reliability import CalibratedModel, SampleReliability
from iota2.report.results.samples import ClassSamples
from iota2.report.results.searches import SearchedModel, search_remarks
from iota2.report.results.sensors import SensorCombination, combination_remarks
from iota2.steps.model_samples import copy_counts, copy_notes, model_samples
from iota2.steps.sensor_models import read_sensor_combinations

TRAINING_OPTIONS = ("arg_train.classifier", "arg_train.otb_classifier_options")
"""Training options; the report reads their values from the models, not from the configuration."""


@dataclass(frozen=True)
class LearnedModels:
    """The models of all regions and seeds, as the report shows them."""

    models: tuple[ModelView, ...]
    samples: tuple[ClassSamples, ...]
    """Samples of each class in each model."""
    reductions: tuple[ReducedModel, ...]
    """The dimension reduction of each model; empty without."""
    searches: tuple[SearchedModel, ...]
    """The grid search of each model; empty without."""
    calibrations: tuple[CalibratedModel, ...]
    """The calibration of each model; empty without."""
    combinations: tuple[SensorCombination, ...]
    """Combinations of sensors with their models; empty without models of fewer sensors."""
    remarks: tuple[str, ...]

    @property
    def options(self) -> dict[str, str]:
        """Training options that differ from their default."""
        return options_of_models(self.models)


def fused_models(config: Config) -> FusedModels | None:
    """How the models of a pixel are combined; None if each region has one model."""
    given = config.arg_classification.fusion
    optical_radar = layout.with_sar_fusion(config)
    if not optical_radar and not layout.with_submodels(config):
        return None
    by_masses = layout.with_masses(config)
    return FusedModels(
        method="dempstershafer" if by_masses else given.method,
        measure=(given.measure or "precision") if by_masses else None,
        optical_radar=optical_radar,
        validated_masses=layout.with_validated_masses(config),
        agreement=layout.with_voted_confidence(config),
    )


def read_learned_models(
    inp: Paths, classes: Nomenclature, sensors_share: float, fused: FusedModels | None
) -> LearnedModels:
    """From the inputs of the report.

    ``sensors_share``: share of the pixels above which sensors get their own model. ``fused``: how the models of a
    pixel are combined; None if there is one for each region.
    """
    reductions, searches = _reductions(inp, fused), _searches(inp, fused)
    combinations = read_sensor_combinations(inp, sensors_share)
    remarks = (
        *_training_notes(inp, classes),
        *copy_notes(inp, classes),
        *reduction_remarks(reductions),
        *search_remarks(searches),
        *_convergence_remarks(inp, fused),
        *(fused_models_remarks(fused, _submodels(inp)) if fused else ()),
        *_borrowing_remarks(inp),
        *(_without_segments(inp) if "segment_labels" in inp else _without_observations(inp)),
        *_context_remarks(inp),
        *combination_remarks(combinations, sensors_share),
    )
    calibrations = tuple(_calibrations(inp, fused))
    return LearnedModels(
        tuple(_models(inp)),
        model_samples(inp),
        reductions,
        searches,
        calibrations,
        combinations,
        remarks,
    )


def _training_notes(inp: Paths, classes: Nomenclature) -> Iterator[str]:
    """Notes on classes with polygons from which a model did not learn, and on selected pixels that were not used."""
    seeds: dict[tuple[str, int, str], list[str]] = {}
    unclear = without_features(read_recipe(inp.recipe))
    sample = "sample" if "segment_labels" in inp else "pixel"
    for key, path in inp.each("rates"):
        region, seed = key.model, key.seed
        learned = read_class_statistics(inp.at("samples", seed=seed), region)
        lost = losses(path.read_text(encoding="utf-8"), learned, unclear, sample)
        copied = {one.rule.code for one in copy_counts(inp, seed) if one.rule.destination == region and one.copied}
        for code, reason in lost.reasons.items():
            if code in copied:
                continue
            seeds.setdefault((region, code, reason), []).append(str(seed))
        if lost.unclear:
            yield (
                f"Region {region}, seed {seed}: {lost.unclear:,} of {lost.selected:,} selected {sample}s {unclear} and "
                "are not used for learning."
            )
        if lost.left_out:
            parts = ", ".join(f"{classes.name(code)} {count:,}" for code, count in lost.left_out.items())
            yield (
                f"Region {region}, seed {seed}: arg_train.max_samples_per_class leaves out "
                f"{sum(lost.left_out.values()):,} {sample}s that would otherwise be used for learning ({parts})."
            )
    for (region, code, reason), missing in seeds.items():
        yield (
            f"{classes.title(code)} has no sample to learn from in region {region} (seed "
            f"{', '.join(missing)}): {reason}."
        )


def _models(inp: Paths) -> Iterator[ModelView]:
    """Models of the map, read from the model files."""
    for path in inp.all("models").values():
        made = read_training(path)
        parameters = as_options(made.kind, shown_parameters(made.kind, made.parameters))
        context = read_context(path)
        method = method_name(made.kind, made.parameters) + (f", {context.short}" if context else "")
        yield ModelView(made.region, made.seed, made.kind, parameters, sum(made.samples.values()), method)


def _convergence_remarks(inp: Paths, fused: FusedModels | None) -> Iterator[str]:
    """A remark for each model whose training did not converge."""
    for key, path in inp.each("models"):
        made = read_training(path)
        if CONVERGENCE in made.summary:
            method = method_name(made.kind, made.parameters)
            yield f"{model_title(*_identity(key), _images(key, fused))}, {method}: {made.summary[CONVERGENCE]}."


def _submodels(inp: Paths) -> dict[str, int]:
    """Number of models of each region; empty if no region may have several."""
    found: dict[str, int] = json.loads(read_text(inp.submodels)) if "submodels" in inp else {}
    return found


def _borrowing_remarks(inp: Paths) -> Iterator[str]:
    """A sentence for each model without polygons of its own."""
    for key, path in inp.each("rates"):
        if borrows(read_rates(path)):
            yield (
                f"Model {key.model}, seed {key.seed}: its part of the polygons has no usable pixel, so it learns from "
                f"all polygons of region {key.region}. Raise arg_train.mode_outside_regionsplit, so that the region "
                "has fewer models."
            )


def _without_segments(inp: Paths) -> Iterator[str]:
    """A remark for each region without segments to learn from."""
    for key, reason in _without_samples(inp):
        yield (
            f"Region {key.region}, seed {key.seed}: {reason}, so the map has no class there. {NO_SEGMENT_REMEDY} The "
            "region may also be merged with another."
        )


def _without_observations(inp: Paths) -> Iterator[str]:
    """A remark for each optical or radar model without samples."""
    for key, reason in _without_samples(inp):
        own, other = ("radar", "optical") if key.source else ("optical", "radar")
        yield (
            f"Region {key.region}, seed {key.seed}: {reason}, so the {own} model gives no label. Pixels have the label "
            f"of the {other} model. To train the {own} model, draw polygons where its sensors see the area."
        )


def _without_samples(inp: Paths) -> Iterator[tuple[Key, object]]:
    """Models without samples, with the reason."""
    for key, path in inp.each("models"):
        summary = read_training(path).summary
        if NO_SAMPLES in summary:
            yield key, summary[NO_SAMPLES]


def _context_remarks(inp: Paths) -> Iterator[str]:
    """A remark for each model that uses no context although it was requested."""
    for key, path in inp.each("models"):
        found = read_context(path)
        if found is not None and found.reason:
            yield f"Region {key.model}, seed {key.seed}: the context is not used: {found.reason}."


def _identity(key: Key) -> tuple[str, int]:
    """Region with sub-model, and seed; optical and radar models have the same."""
    return f"{key.region}{key.submodel}", key.seed


def _images(key: Key, fused: FusedModels | None) -> str:
    """``optical`` or ``radar`` if both have models of their own; otherwise empty."""
    if fused is None or not fused.optical_radar:
        return ""
    return dict(zip(SOURCES, SINGLE_SOURCES, strict=True))[str(key.source)]


def _calibrations(inp: Paths, fused: FusedModels | None) -> Iterator[CalibratedModel]:
    """Calibrations of the models that have one, or the reason why they have none."""
    for key, path in inp.each("models"):
        one = read_calibration(path)
        if one is not None:
            samples = (SampleReliability(SPLITS[name], **asdict(given)) for name, given in one.reliability.items())
            fitted = one.calibration is not None
            texts, images = tuple(one.sentences), _images(key, fused)
            yield CalibratedModel(*_identity(key), fitted, texts, tuple(samples), images)


def _reductions(inp: Paths, fused: FusedModels | None) -> tuple[ReducedModel, ...]:
    """The dimension reduction of each model with samples; empty without."""
    if "reductions" not in inp:
        return ()
    learned = {key for key, path in inp.each("models") if read_training(path).samples}
    found = [(key, Components.load(path)) for key, path in inp.each("reductions") if key in learned]
    return tuple(ReducedModel(*_identity(key), _reduced_groups(one), _images(key, fused)) for key, one in found)


def _searches(inp: Paths, fused: FusedModels | None) -> tuple[SearchedModel, ...]:
    """The grid search of each model; empty without."""
    found = inp.each("searches") if "searches" in inp else ()
    return tuple(
        SearchedModel(*_identity(key), json.loads(read_text(path)), _images(key, fused)) for key, path in found
    )


def _reduced_groups(components: Components) -> tuple[ReducedGroup, ...]:
    columns = (components.sizes, components.arrays.counts, components.explained)
    rows = zip(components.groups, *(column.tolist() for column in columns), strict=True)
    return tuple(ReducedGroup(*row) for row in rows)


def options_of_models(models: Sequence[ModelView]) -> dict[str, str]:
    """Training options read from the models that differ from their default, as text.

    Different values of several models are separated by ``|``.
    """
    found: dict[str, dict[str, None]] = {name: {} for name in TRAINING_OPTIONS}
    classifier, options = TRAINING_OPTIONS
    for model in models:
        if model.classifier == SCIKIT:
            continue  # the section scikit_models_parameters shows its options
        if model.classifier != ArgTrain.model_fields["classifier"].default:
            found[classifier][model.classifier] = None
        defaults = as_options(model.classifier, validate_options(model.classifier, {})[0])
        changed = {name: value for name, value in model.parameters.items() if value != defaults.get(name)}
        if changed:
            found[options][str(changed)] = None
    return {name: " | ".join(texts) for name, texts in found.items() if texts}
