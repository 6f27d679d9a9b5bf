"""Layers of the user: files of the patterns, names of the bands, and no-data values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.features import feature_block
from iota2.core.cube import FeatureBlock
from iota2.core.grid import blocks
from iota2.core.recipe import MISSING, FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene, SensorScene
from iota2.errors import DamagedProduct, InputError, MissingTile
from iota2.io.archive.layers import interpolated_integer_notes, layer_options, scan_layers
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import scene_from_json, scene_to_json

TILE = "T31TCJ"
FINE = GeoBox((40, 64), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
HALF = GeoBox((40, 32), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((9, 14), Affine(50, 0, 299990, 0, -50, 4900030), "EPSG:32631")


def write(path: Path, values: np.ndarray, geobox: GeoBox = FINE, nodata: float | None = None) -> np.ndarray:
    """Write (band, y, x), or one band, and return it."""
    layers = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": geobox.shape.y, "width": geobox.shape.x, "count": len(layers)}
    profile |= {"dtype": layers.dtype, "crs": str(geobox.crs), "transform": geobox.affine, "nodata": nodata}
    with rasterio.open(path, "w", **profile) as file:
        file.write(layers)
    return values


def noise(geobox: GeoBox = FINE, dtype: str = "float32", bands: int = 1) -> np.ndarray:
    values = np.random.default_rng(bands).uniform(1, 200, (bands, *geobox.shape)).astype(dtype)
    return values if bands > 1 else values[0]


def scanned(root: Path, *patterns: str, arbo: str = "/*", resampling: str = "cubic") -> SensorScene:
    return scan_layers(layer_options(root, arbo, patterns, resampling).spec, root, TILE)  # type: ignore[arg-type]


def features_of(
    layers: SensorScene, *, allow_missing: bool = False, shape: tuple[int, int] | None = None
) -> FeatureBlock:
    """Features of the layers on the 10 m grid, assembled from blocks."""
    scene = Scene(TILE, FINE, (layers,))
    names = layers.spec.band_names
    recipe = FeatureRecipe(
        (SensorRecipe(layers.spec.name, names, {}, (), indices=(), static=True),), allow_missing=allow_missing
    )
    values, n_valid = np.zeros((len(names), *FINE.shape), np.float32), np.zeros(FINE.shape, np.uint16)
    with CubeReader(scene, {layers.spec.name: names}) as reader:
        for block in blocks(TILE, FINE, shape or (FINE.shape.y, FINE.shape.x)):
            found = feature_block(reader.read(block), recipe)
            place = (..., slice(*block.rows), slice(*block.cols))
            values[place], n_valid[place] = found.values, found.n_valid
    return FeatureBlock(values, recipe.names, n_valid)


def test_all_bands_of_the_file_of_each_pattern_are_features_in_the_order_of_patterns(tmp_path: Path) -> None:
    slope = write(tmp_path / TILE / "my_SLP.tif", noise())
    altitude = write(tmp_path / TILE / "x_ALT_v2.TIF", noise(dtype="int16", bands=3))
    (tmp_path / TILE / "x_ALT_v2.TIF.aux.xml").write_text("<PAMDataset/>")
    found = features_of(scanned(tmp_path, "SLP", "ALT"))
    assert found.names == ("SLP_band_0", "ALT_band_0", "ALT_band_1", "ALT_band_2")
    np.testing.assert_array_equal(found.values, [slope, *altitude])
    assert found.n_valid.min() == 1


def test_pixels_with_the_nodata_tag_of_a_file_are_missing_in_its_layer(tmp_path: Path) -> None:
    """Files have different no-data values: -1 in one file is a measured value in another."""
    truth = [noise(), noise(dtype="int16"), noise(dtype="float64")]
    truth[1][5, 6] = -1
    holes = [{(3, 4): -1.0}, {(7, 8): -999.0}, {(9, 10): -1.7976931348623157e308, (11, 12): np.nan}]
    for name, values, absent in zip("ABC", truth, holes, strict=True):
        stored = values.copy()
        for place, nodata in absent.items():
            stored[place] = nodata
        write(tmp_path / TILE / f"{name}.tif", stored, nodata=next(iter(absent.values())))
    layers = scanned(tmp_path, "A", "B", "C")
    found = features_of(layers, allow_missing=True)
    for k, (values, absent) in enumerate(zip(truth, holes, strict=True)):
        expected = values.astype(np.float32)
        for place in absent:
            expected[place] = MISSING
        np.testing.assert_array_equal(found.values[k], expected)
    scene = Scene(TILE, FINE, (layers,))
    read = scene_from_json(json.loads(json.dumps(scene_to_json(scene))))
    np.testing.assert_array_equal(features_of(read.sensors[0], allow_missing=True).values, found.values)
    strict = features_of(layers)
    unknown = {(int(row), int(col)) for row, col in np.argwhere(strict.n_valid == 0)}
    assert unknown == {place for absent in holes for place in absent}
    assert strict.values[1, 5, 6] == -1


def test_integer_layers_have_their_own_missing_pixels(tmp_path: Path) -> None:
    for name, nodata, place in (("A", -999, (3, 4)), ("B", 0, (5, 6))):
        values = np.full(FINE.shape, 7, "int16")
        values[place] = nodata
        write(tmp_path / TILE / f"{name}.tif", values, nodata=nodata)
    found = features_of(scanned(tmp_path, "A", "B"), allow_missing=True).values
    assert {place: found[:, *place].tolist() for place in ((3, 4), (5, 6), (0, 0))} == {
        (3, 4): [MISSING, 7],
        (5, 6): [7, MISSING],
        (0, 0): [7, 7],
    }


def test_pixels_outside_a_layer_are_missing(tmp_path: Path) -> None:
    write(tmp_path / TILE / "ALT.tif", noise(HALF), HALF)
    found = features_of(scanned(tmp_path, "ALT"), allow_missing=True)
    assert (found.values[0, :, 32:] == MISSING).all()
    assert (found.values[0, :, :32] > 0).all()
    with CubeReader(Scene(TILE, FINE, (scanned(tmp_path, "ALT"),)), {}) as reader:
        footprint = reader.footprint(next(blocks(TILE, FINE, (40, 64))))
    assert footprint[:, :32].all()
    assert not footprint[:, 32:].any()


def test_codes_are_preserved_by_nearest_and_noted_with_interpolation(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).choice([3, 40, 200], COARSE.shape).astype("uint8")
    write(tmp_path / TILE / "soil.tif", codes, COARSE)
    write(tmp_path / TILE / "ALT.tif", noise(dtype="int16"))
    write(tmp_path / TILE / "SLP.tif", noise(COARSE), COARSE)
    nearest, cubic = (scanned(tmp_path, "soil", "ALT", "SLP", resampling=kernel) for kernel in ("nearest", "cubic"))
    values = features_of(nearest).values[0]
    y, x = np.mgrid[:40, :64]
    expected = codes[((y + 0.5) * 10 + 10).astype(int) // 50, ((x + 0.5) * 10 + 10).astype(int) // 50]
    np.testing.assert_array_equal(values, expected)
    assert not set(np.unique(features_of(cubic).values[0])) <= {3, 40, 200}
    assert [*interpolated_integer_notes(nearest, FINE, TILE)] == []
    (note,) = interpolated_integer_notes(cubic, FINE, TILE)
    assert "of the tile: soil_band_0. " in note, "the altitude is on the tile's pixels, the slope is no whole number"
    assert "userFeat.resampling to 'nearest'" in note


def test_the_folder_of_a_tile_contains_the_tile_in_its_name(tmp_path: Path) -> None:
    write(tmp_path / f"dem_{TILE}_2018" / "ALT.tif", noise())
    assert scanned(tmp_path, "ALT").acquisitions[0].product == f"dem_{TILE}_2018"
    write(tmp_path / f"dem_{TILE}_2019" / "ALT.tif", noise())
    with pytest.raises(InputError, match=f"several folders .* dem_{TILE}_2018, dem_{TILE}_2019. Rename one to {TILE}"):
        scanned(tmp_path, "ALT")
    write(tmp_path / TILE / "ALT.tif", noise())
    assert scanned(tmp_path, "ALT").acquisitions[0].product == TILE
    wanted = layer_options(tmp_path, "/*", ["ALT"], "cubic").spec
    with pytest.raises(
        MissingTile, match=rf"userFeat: no folder for tile T32XXX .*; it contains {TILE}, dem_.* Correct the"
    ):
        scan_layers(wanted, tmp_path, "T32XXX")
    with pytest.raises(InputError, match=r"userFeat: '\.\.' is not a valid name of a tile folder") as message:
        scan_layers(wanted, tmp_path, "..")
    assert not isinstance(message.value, MissingTile)


def test_arbo_is_the_folder_depth_of_the_rasters(tmp_path: Path) -> None:
    deep = write(tmp_path / TILE / "relief" / "ALT.tif", noise())
    with pytest.raises(InputError, match="no raster"):
        scanned(tmp_path, "ALT")
    np.testing.assert_array_equal(features_of(scanned(tmp_path, "ALT", arbo="/*/*")).values[0], deep)


def test_a_pattern_in_several_names_is_rejected_unless_one_name_is_equal(tmp_path: Path) -> None:
    write(tmp_path / TILE / "ALT_old.tif", noise())
    write(tmp_path / TILE / "ALT_new.tif", noise())
    with pytest.raises(InputError, match=r"2 rasters have 'ALT' in their names: ALT_new.tif, ALT_old.tif"):
        scanned(tmp_path, "ALT")
    write(tmp_path / TILE / "ALT.tif", noise())
    assert Path(scanned(tmp_path, "ALT").acquisitions[0].bands["ALT_band_0"]).name == "ALT.tif"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / TILE).mkdir()
    (tmp_path / TILE / "ASP.tif").write_text("<html>not found</html>")
    write(tmp_path / TILE / "SLP.tif", noise(), GeoBox(FINE.shape, FINE.affine * Affine.scale(1, -1), FINE.crs))
    with pytest.raises(InputError) as message:
        scanned(tmp_path, "ALT", "ASP", "SLP")
    text = str(message.value)
    assert text.startswith("userFeat, tile T31TCJ: 3 problems")
    assert "has 'ALT' in its name" in text
    assert "not a raster but text" in text
    assert "is not north up" in text
    assert "Correct it with gdalwarp" in text


def test_a_layer_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / TILE / "ALT.tif", np.full(FINE.shape, 7, "uint8"))
    layers = scanned(tmp_path, "ALT")
    (tmp_path / TILE / "ALT.tif").write_bytes(b"II*\0")
    reader = CubeReader(Scene(TILE, FINE, (layers,)), {"userFeatures": ("ALT_band_0",)})
    with reader, pytest.raises(InputError, match=r"ALT\.tif: cannot be opened") as message:
        reader.read(next(blocks(TILE, FINE, (40, 64))))
    assert not isinstance(message.value, DamagedProduct)
    assert "skip_damaged_products" not in str(message.value)


@pytest.mark.parametrize(
    ("kind", "tag", "missing", "void"),
    [
        ("int16", None, (-32768.0,), -32768),
        ("int16", None, (-99999.0, -9999.0), -9999),
        ("float32", None, (-9999.0,), -9999),
        ("float32", None, (3.4e38,), 3.4e38),
        ("float32", None, (-3.4028234663852886e38, -32768.0), -32768),
        ("int16", -9999, (-32768.0,), -32768),
        ("int16", -9999, (-32768.0,), -9999),
        ("float64", None, (-1.7976931348623157e308,), -1.7976931348623157e308),
        ("uint8", None, (255.0,), 255),
    ],
)
def test_nodata_values_of_the_option_apply_in_addition_to_the_tag(
    tmp_path: Path, kind: str, tag: float | None, missing: tuple[float, ...], void: float
) -> None:
    values = noise(dtype="float64").astype(kind)
    values[3:5, 7:9] = void
    write(tmp_path / TILE / "ALT.tif", values, nodata=tag)
    layers = scan_layers(layer_options(tmp_path, "/*", ["ALT"], "cubic", missing).spec, tmp_path, TILE)
    found = features_of(layers)
    expected = np.ones(FINE.shape, bool)
    expected[3:5, 7:9] = False
    np.testing.assert_array_equal(found.n_valid > 0, expected)
    np.testing.assert_array_equal(found.values[0][expected], values[expected].astype("float32"))
