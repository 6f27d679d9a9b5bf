"""How the results of several models of a pixel are combined, in words for the accuracy report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from iota2.compute.map_stages import SINGLE_SOURCES, MapStages
from iota2.report.results.measures import measure

MAX_ACCURACY_LOSS = 0.01
"""Overall accuracy that the map of one source may gain over the fusion without a remark."""
METHODS = {
    "majorityvoting": "by most votes",
    "dempstershafer": "by the rule of Dempster and Shafer",
    "mean": "by the highest mean probability",
}
"""Words for each method that combines labels or probabilities."""


@dataclass(frozen=True)
class FusedModels:
    """How the models of a pixel are combined."""

    method: str
    """One of ``METHODS``."""
    measure: str | None = None
    """Accuracy measure that is the mass of a model; None for methods without masses."""
    optical_radar: bool = False
    """Whether each region has an optical and a radar model; otherwise, large regions have several models."""
    validated_masses: bool = False
    """Whether the masses are measured in the validation polygons."""
    agreement: bool = False
    """Whether the confidence of the map is the agreement of models that vote, and not a probability."""

    @property
    def words(self) -> str:
        """The method with the measure of its masses."""
        masses = f", with the {self.measure} of each model as its mass" if self.measure else ""
        return f"{METHODS[self.method]}{masses}"


def fused_models_remarks(given: FusedModels, submodels: Mapping[str, int]) -> Iterator[str]:
    """Sentences on the combination, and on masses that make the accuracy optimistic.

    ``submodels``: numbers of models by region, for large regions with several models.
    """
    for region, count in submodels.items():
        if count > 1:
            yield (
                f"Region {region} has {count} models, each of which learns from a part of the polygons. They are "
                f"combined {given.words} (arg_classification.fusion_options)."
            )
    if given.optical_radar:
        yield (
            f"The optical and the radar model of each region are combined {given.words} "
            "(arg_train.dempster_shafer_sar_opt_fusion)."
        )
    if given.validated_masses:
        yield (
            f"The {given.measure} of the models is measured in validation polygons (arg_train.fusion_masses is "
            "'validation'). The same polygons validate the map, so its accuracy is optimistic."
        )


def single_source_remarks(maps: Mapping[int, MapStages]) -> Iterator[str]:
    """A remark for each seed with an optical or radar map that is more accurate than their fusion by more than 0.01.

    The maps are compared on the validation pixels that all of them classify.
    """
    for seed, found in sorted(maps.items()):
        fused = next((stage for stage in found.stages if stage.name not in SINGLE_SOURCES), None)
        for stage in found.stages:
            if fused is None or stage.name not in SINGLE_SOURCES:
                continue
            alone, both = stage.accuracy.overall, fused.accuracy.overall
            if alone is not None and both is not None and alone - both > MAX_ACCURACY_LOSS:
                where = f", seed {seed}" if len(maps) > 1 else ""
                yield (
                    f"{stage.about} are more accurate than the fusion of both{where}: overall accuracy "
                    f"{measure(alone)} instead of {measure(both)}. Compare with one model of all features "
                    "(arg_train.dempster_shafer_sar_opt_fusion : False) and, instead of Dempster-Shafer, the mean of "
                    "the probabilities (arg_classification.fusion_options : 'mean')."
                )
