"""Regions of a run, and the regions of each tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import shapely

from iota2.config.options.schema import Config
from iota2.config.options.train import whole_region
from iota2.core.remarks import Remark
from iota2.core.tables import REGION, SINGLE_REGION
from iota2.core.words import did_you_mean
from iota2.errors import OptionPath
from iota2.io.files.crs import units_per_metre
from iota2.io.tables.reference import read_regions
from iota2.layout import with_submodels
from iota2.runs.survey.images import Images
from iota2.runs.survey.problems import Problems, about_field


@dataclass(frozen=True)
class Regions:
    """The regions, and the regions of each tile."""

    frame: gpd.GeoDataFrame | None
    """Names and outlines; None without a file or for an unreadable one."""
    by_tile: Mapping[str, tuple[str, ...]]
    """Names of the regions whose models each tile uses: those it meets and, if models are blended near the borders of
    regions, those at most ``boundary_exterior_buffer_size`` away."""
    usable: bool
    """Whether the options of regions are valid."""
    remarks: tuple[Remark, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the regions of all tiles, sorted."""
        return sorted({name for of_tile in self.by_tile.values() for name in of_tile})


def find_regions(problems: Problems, images: Images) -> Regions:
    """Read the regions; their problems, and those of options that name a region, are added to ``problems``."""
    config = problems.config
    usable = "regions" in problems.asks and problems.usable("chain.region_path", "chain.region_field", "chain.proj")
    frame = problems.attempt(lambda: _read_regions(config), "chain", "region_path") if usable else None
    by_tile, remarks = _regions_by_tile(frame, images.footprints, _reach(config))
    for tile, names in by_tile.items() if images.complete else ():
        if not names:
            problems.add(("chain", "region_path"), f"tile {tile} meets no region of {config.chain.region_path}.")
    for option, text in _unknown_models(config, frame) if usable else ():
        problems.add(option, text)
    return Regions(frame, by_tile, usable, remarks)


def _read_regions(config: Config) -> gpd.GeoDataFrame | None:
    chain = config.chain
    if chain.region_path is None:
        return None
    with about_field("region_field"):
        return read_regions(chain.region_path, chain.region_field, chain.proj)


def _unknown_models(config: Config, regions: gpd.GeoDataFrame | None) -> list[tuple[OptionPath, str]]:
    """Problems of options of ``arg_train`` that name an unknown region."""
    if regions is None and config.chain.region_path:
        return []  # the file cannot be read, which is reported already
    names = sorted(regions[REGION]) if regions is not None else [SINGLE_REGION]
    source = config.chain.region_path or "this run, which has a single region"
    selection, augmentation = ("arg_train", "sample_selection"), ("arg_train", "sample_augmentation", "target_models")
    given: list[tuple[OptionPath, str, str]] = [
        ((*selection, "per_model", k), "target_model", entry.target_model)
        for k, entry in enumerate(config.arg_train.sample_selection.per_model)
    ]
    given += [
        (augmentation, "target model", name)
        for name in config.arg_train.sample_augmentation.target_models
        if name != "all"
    ]
    return [
        (
            option,
            f"{what} '{name}' is not a region of {source}"
            + (did_you_mean(name, names) or f"; expected one of {', '.join(names)}"),
        )
        for option, what, name in given
        if name not in names and not (with_submodels(config) and whole_region(name) in names)
    ]


def _reach(config: Config) -> float:
    """Distance in metres from a region up to which its model is used."""
    given = config.arg_classification
    return given.boundary_exterior_buffer_size if given.enable_boundary_fusion else 0.0


def _regions_by_tile(
    regions: gpd.GeoDataFrame | None, footprints: Mapping[str, shapely.Geometry], reach: float
) -> tuple[dict[str, tuple[str, ...]], tuple[Remark, ...]]:
    """Regions at most ``reach`` metres from each tile, and a remark on regions outside all tiles.

    A tile that meets no region has none, and a region outside all tiles, which has no samples, is near no tile.
    """
    if regions is None:
        return dict.fromkeys(footprints, (SINGLE_REGION,)), ()
    met = {tile: {*regions[REGION][regions.intersects(footprint)]} for tile, footprint in footprints.items()}
    known = {region for names in met.values() for region in names}
    outside = sorted(set(regions[REGION]) - known)
    text = f"Regions outside all tiles are ignored: {', '.join(outside)}."
    near = {
        tile: tuple(sorted(names | (known & _within(regions, footprints[tile], reach) if names else set())))
        for tile, names in met.items()
    }
    return near, (Remark(text, "regions"),) if outside else ()


def _within(regions: gpd.GeoDataFrame, footprint: shapely.Geometry, reach: float) -> set[str]:
    """Names of the regions at most ``reach`` metres from the footprint of a tile, which may not meet them."""
    distance = reach * units_per_metre(regions.crs, footprint.centroid.y)
    return {*regions[REGION][shapely.distance(regions.geometry.to_numpy(), footprint) <= distance]}
