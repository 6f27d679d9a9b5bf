"""Optical and radar models: values of their axis, and their sensors."""

from __future__ import annotations

from iota2.config.options.schema import Config
from iota2.config.options.sensors import RADAR
from iota2.core.graph import SOURCES
from iota2.core.recipe import FeatureRecipe


def sources(config: Config) -> tuple[str, ...]:
    """Values of the axis ``source``: one for all images, or those of optical and radar images."""
    return SOURCES if config.arg_train.dempster_shafer_sar_opt_fusion else ("",)


def radar_sensors(config: Config) -> tuple[str, ...]:
    """Names of the radar sensors, if radar and optical images have models of their own; otherwise empty."""
    if not config.arg_train.dempster_shafer_sar_opt_fusion:
        return ()
    return tuple(one.spec.name for one in config.enabled.sensors if one.spec.section == RADAR)


def recipe_of_source(recipe: FeatureRecipe, source: str, radar: tuple[str, ...]) -> FeatureRecipe:
    """The features from which a model of a ``source`` learns: of the ``radar`` sensors, or of all others.

    Without ``radar`` sensors, all features. Layers without dates belong to both.
    """
    if not radar:
        return recipe
    names = [one.sensor for one in recipe.sensors]
    return recipe.of_sensors([name for name in names if (name in radar) == bool(source)])
