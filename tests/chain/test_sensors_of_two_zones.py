"""Two tiles in two UTM zones, and a second sensor that delivers each of them in the zone of the other."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer

from iota2.core.grid import aligned_grid, pixel_centres
from iota2.io.archive.specs import builtin_specs
from iota2.io.rasters.files import RasterReader
from iota2.testing.classes import BANDS
from iota2.testing.files import WorldFiles
from iota2.testing.landsat import BANDS as SAME_LIGHT
from iota2.testing.products import Layer, write_product
from tests.chain.helpers import MAPS, Case, case, read, run, small
from tests.chain.test_hard_cases_images import (
    STRIPE,
    ZONES,
    outline,
    stripe,
    stripes_as_polygons,
    write_zone,
    zone_geobox,
)
from tests.io.damage import rewritten

__all__ = ["case", "small"]

LANDSAT = builtin_specs()["Landsat8"]
DAYS = (date(2018, 3, 25), date(2018, 5, 28), date(2018, 8, 16))


def write_landsat_zone(tile: str, crs: str, case: Case, root: Path) -> None:
    """Products of the stripes at 30 m in a CRS that is not the tile's, all clear.

    Noise hides the mixed values at the borders of stripes, from which a model could learn that images are misplaced.
    """
    own = zone_geobox(tile)
    bounds = Transformer.from_crs(str(own.crs), crs, always_xy=True).transform_bounds(*own.boundingbox.bbox)
    grid = aligned_grid(bounds, (30.0, 30.0), crs)
    centres = pixel_centres(grid, *np.mgrid[: grid.shape.y, : grid.shape.x])
    kind = stripe(Transformer.from_crs(crs, MAPS, always_xy=True).transform(*centres)[0])
    clear = Layer(np.zeros(grid.shape, np.uint8), grid)
    rng = np.random.default_rng(0)
    for day in DAYS:
        spectra = np.stack([case.world.profile(c.code, day.timetuple().tm_yday) for c in case.world.landscape.classes])
        layers = {
            band: Layer(
                np.rint(spectra[kind, BANDS.index(light)] + rng.normal(0, 200, grid.shape)).astype(np.int16), grid
            )
            for band, light in SAME_LIGHT.items()
        }
        write_product(LANDSAT, root / tile, tile, day, layers | {rule.name: clear for rule in LANDSAT.masks})


def test_what_one_sensor_never_shows_is_mapped_from_the_other_where_it_lies(case: Case, tmp_path: Path) -> None:
    """The western half of each tile is cloudy on all dates of Sentinel-2."""
    zones = Case(case.world, WorldFiles(tmp_path / "zones"))
    crs = {tile: ZONES[other][0] for tile, other in zip(ZONES, reversed(ZONES), strict=True)}
    for tile in ZONES:
        write_zone(tile, case, zones.files.s2_path)
        write_landsat_zone(tile, crs[tile], case, zones.files.l8_path)
        for mask in zones.files.s2_path.glob(f"{tile}/*/MASKS/*_CLM_R1.tif"):
            rewritten(mask, np.tile(np.arange(64) < 32, (64, 1)))
    codes = [c.code for c in case.world.landscape.classes]
    zones.files.ground_truth.parent.mkdir(parents=True)
    area = shapely.union_all([outline(tile) for tile in ZONES])
    stripes_as_polygons(area, codes).to_file(zones.files.ground_truth)
    tables = {"nomenclature_path": str(case.files.nomenclature), "color_table": str(case.files.colors)}
    chain = {"list_tile": " ".join(ZONES), "proj": MAPS, "l8_path": str(zones.files.l8_path), **tables}
    config = run(
        zones.configured(chain=chain | {"spatial_resolution": 10, "allow_missing_sensor": True}), last_step="mosaic"
    )
    path = config.chain.output_path / "final" / "Classif_Seed_0.tif"
    with RasterReader(path) as reader:
        x, y = pixel_centres(reader.geobox, *np.mgrid[: reader.geobox.shape.y, : reader.geobox.shape.x])
    labels, inside = read(path), shapely.contains_xy(area.buffer(-45), x, y)
    assert (labels[inside] > 0).all()
    away = np.minimum(x % STRIPE, STRIPE - x % STRIPE) > 35
    right = labels == np.array(codes)[stripe(x)]
    unseen = read(config.chain.output_path / "final" / "PixelsValidity.tif") == len(DAYS)
    assert 500 < (unseen & inside).sum() < 0.8 * inside.sum()
    assert right[inside & away & unseen].mean() > 0.97
    assert right[inside & away & ~unseen].mean() > 0.97
