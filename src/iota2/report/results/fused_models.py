"""How the results of several models of a pixel are combined, in words for the accuracy report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
