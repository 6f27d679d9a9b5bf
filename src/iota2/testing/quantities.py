"""A quantity of the synthetic landscape: the biomass of fields, which follows from their green share over the year."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2.testing.files import WorldFiles
from iota2.testing.landscape import Landscape
from iota2.testing.reference import write_polygons
from iota2.testing.world import World

FIELD = "biomass"
TONNES = 20.0
"""Tonnes of dry matter per hectare of a field that is green on every day of the year."""
DAYS = np.arange(2.5, 365.0, 5.0)
"""Days of the year over which the green share is averaged."""


def biomass(landscape: Landscape, fields: np.ndarray) -> np.ndarray:
    """(field,) float64: biomass of fields in tonnes per hectare."""
    green = np.mean([landscape.greenness(fields, day)[:, 0] for day in DAYS], axis=0)
    found: np.ndarray = TONNES * green
    return found


def true_biomass(world: World, geobox: GeoBox) -> np.ndarray:
    """(y, x) float64: biomass at every pixel centre of a grid in any CRS."""
    fields, place = np.unique(world.fields_at(geobox), return_inverse=True)
    return biomass(world.landscape, fields)[place.reshape(geobox.shape)]


def biomass_polygons(world: World) -> gpd.GeoDataFrame:
    """The polygons of the reference data, with their biomass to the kilogram."""
    frame = world.reference
    inside = shapely.point_on_surface(frame.geometry.to_numpy())
    fields = world.landscape.field_at(shapely.get_x(inside), shapely.get_y(inside))
    values = np.round(biomass(world.landscape, fields), 3)
    return gpd.GeoDataFrame({FIELD: values}, geometry=frame.geometry.to_numpy(), crs=frame.crs)


def write_biomass(world: World, files: WorldFiles) -> None:
    """Write the polygons with their biomass."""
    write_polygons(biomass_polygons(world), files.biomass)
