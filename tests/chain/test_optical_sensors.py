"""The same images, delivered in the format of each optical sensor, give the same map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from iota2.config.options.sensors import FOLDER_KEYS
from iota2.core.sensor import SensorSpec
from iota2.io.archive.specs import builtin_specs
from iota2.testing.archive import FINE_BANDS
from iota2.testing.classes import BANDS
from iota2.testing.products import Layer, write_product
from tests.chain.helpers import DATES, WEST, Case, case, copied, on_tile, read, run, small

__all__ = ["case", "small"]
pytestmark = pytest.mark.long
NODATA = -10000
BASELINE_4 = DATES[1]
"""From this day on, products of ESA have an offset."""

Codes = Callable[[np.ndarray, np.ndarray, np.ndarray], Mapping[str, np.ndarray]]
"""Masks of a format from cloud, saturation and edge."""


def of_theia(cloud: np.ndarray, glint: np.ndarray, edge: np.ndarray) -> Mapping[str, np.ndarray]:
    return {"CLM": cloud, "SAT": glint, "EDG": edge}


def of_n2a(cloud: np.ndarray, glint: np.ndarray, edge: np.ndarray) -> Mapping[str, np.ndarray]:
    """Bit 0 of DIV is the edge; water, bit 1, is everywhere."""
    return {"NUA": cloud, "SAT": glint, "DIV": 2 + (edge > 0)}


def of_usgs(cloud: np.ndarray, glint: np.ndarray, edge: np.ndarray) -> Mapping[str, np.ndarray]:
    """Bit 6, clear, and 7, water, do not count."""
    quality = np.where(edge, 1, np.where(cloud, 8 + 128, 64 + 128))
    return {"QA": quality, "FILL": quality, "SAT": (glint > 0) * 4}


def of_esa(cloud: np.ndarray, glint: np.ndarray, edge: np.ndarray) -> Mapping[str, np.ndarray]:
    classes = np.where(edge, 0, np.where(glint, 1, np.where(cloud, 9, 4)))
    return {"SCL": classes, "EDG": classes}


def of_wasp(cloud: np.ndarray, glint: np.ndarray, edge: np.ndarray) -> Mapping[str, np.ndarray]:
    return {"FLG": np.where(edge, 0, np.where((cloud > 0) | (glint > 0), 1, 4))}


CODES: Mapping[str, Codes] = {
    "Landsat5_old": of_n2a,
    "Landsat8": of_theia,
    "Landsat8_old": of_n2a,
    "Landsat8_usgs_optical": of_usgs,
    "Sentinel_2": of_theia,
    "Sentinel_2_S2C": of_esa,
    "Sentinel_2_L3A": of_wasp,
}


def delivered(case: Case, spec: SensorSpec, root: Path, bands: Mapping[str, str]) -> None:
    """Write the products of the case as another sensor does; ``bands`` of it to the bands of the world."""
    for number, day in enumerate(DATES):
        masks = [read(case.file(f"MASKS/*_{name}_R1.tif", number)) for name in ("CLM", "SAT", "EDG")]
        codes = CODES[spec.section](*masks)
        grid = case.world.tile_geobox(WEST)
        kind = np.uint16 if spec.section == "Landsat8_usgs_optical" else np.uint8
        layers = {name: Layer(values.astype(kind), grid) for name, values in codes.items()}
        offset = -1000 if spec.metadata and day >= BASELINE_4 else 0
        for band, known in bands.items():
            layers[band] = stored(case.file(f"*_FRE_{known}.tif", number), spec, offset)
        given = dict.fromkeys(bands, offset) if offset else None
        write_product(spec, root / WEST, WEST, day, layers, offsets=given)


def stored(path: Path, spec: SensorSpec, offset: int) -> Layer:
    """A band in the units of files of a sensor."""
    with rasterio.open(path) as source:
        values, grid = source.read(1), GeoBox(source.shape, source.transform, str(source.crs))
    if spec.nodata == NODATA:
        return Layer(values, grid)
    numbers = np.rint((values.astype(float) - spec.offset) / spec.scale - offset)
    return Layer(np.where(values == NODATA, spec.nodata, numbers).astype(np.uint16), grid)


def map_of(case: Case, section: str, root: Path) -> np.ndarray:
    """Labels from the archive ``root`` of a sensor alone."""
    run(case.configured(chain={"s2_path": None, FOLDER_KEYS[section]: str(root)}))
    return on_tile(case.output / "final/Classif_Seed_0.tif", case)


def test_every_optical_sensor_is_here() -> None:
    assert set(CODES) == {section for section, spec in builtin_specs().items() if spec.spectral}


@pytest.fixture(scope="module")
def expected(small: Case, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The map of the western tile from Sentinel-2 of THEIA."""
    case = copied(small, tmp_path_factory.mktemp("theia") / "case")
    return map_of(case, "Sentinel_2", case.files.s2_path)


@pytest.mark.parametrize("section", ["Sentinel_2_S2C", "Sentinel_2_L3A"])
def test_other_formats_of_the_ten_bands_give_the_same_map(case: Case, section: str, expected: np.ndarray) -> None:
    spec, root = builtin_specs()[section], case.files.folder / "other"
    delivered(case, spec, root, dict(zip(spec.band_names, BANDS, strict=True)))
    labels = map_of(case, section, root)
    np.testing.assert_array_equal(labels > 0, expected > 0)
    assert np.mean(labels == expected) > 0.995, "rounding of resampled values may turn a pixel or two"


@pytest.mark.parametrize("section", ["Landsat5_old", "Landsat8", "Landsat8_old", "Landsat8_usgs_optical"])
def test_formats_of_landsat_map_the_truth(case: Case, section: str, expected: np.ndarray) -> None:
    """From the bands at 10 m, which are given in turn."""
    spec, root = builtin_specs()[section], case.files.folder / "other"
    roles = {spec.roles["red"]: "B4", spec.roles["nir"]: "B8"}
    bands = {band: roles.get(band, FINE_BANDS[k % len(FINE_BANDS)]) for k, band in enumerate(spec.band_names)}
    delivered(case, spec, root, bands)
    labels = map_of(case, section, root)
    truth = case.world.truth(case.world.tile_geobox(WEST))
    np.testing.assert_array_equal(labels > 0, expected > 0)
    assert np.mean((labels == truth)[labels > 0]) > 0.9
