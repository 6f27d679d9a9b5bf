"""The command ``iota2 demo`` of each builder: one folder, a configuration and results of each."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.crs import CRS

from iota2 import layout
from iota2.chains import BUILDERS
from iota2.chains.load import load_config
from iota2.cli import app, guarded
from iota2.runs import runner
from iota2.runs.preview import preview_run
from iota2.testing.configurations import demo_of
from iota2.testing.files import WorldFiles
from tests.chain.helpers import MAPS, WEST, command

SIZE = 156
"""Pixels along a side of a tile of the demo of 160."""
NAMES = (*(builder.name for builder in BUILDERS), "parcels")
"""Demos in the order of the runs."""
DATES = [f"2018{day:04}" for day in (116, 215, 317, 416, 516, 615, 715, 814, 913, 1013, 1112)]
"""Every 30 days from the first date of the world."""

pytestmark = pytest.mark.long


def words(folder: Path, *options: str) -> list[str]:
    """The words of ``iota2 demo`` with the smallest world."""
    return ["demo", str(folder), "--size", "160", "--workers", "0", *options]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demos of all builders were run, one after the other."""
    folder = tmp_path_factory.mktemp("demos") / "demo"
    for name in NAMES:
        given = words(folder, "--builder", name)
        assert guarded(lambda given=given: app(given, standalone_mode=False), debug=False) == 0
    return folder


def features(folder: Path) -> dict[str, np.ndarray]:
    """Features of the western tile (y, x) by name."""
    with rasterio.open(demo_of("features_map").files(folder).output / f"by_tiles/{WEST}.vrt") as source:
        return dict(zip(source.descriptions, source.read(), strict=True))


def observed(folder: Path, band: str) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Reflectance of a 10 m band (time, y, x), whether it is valid, and the times in seconds, from the images."""
    values, valid, times = [], [], []
    for product in sorted((WorldFiles(folder).s2_path / WEST).glob("SENTINEL2*"), key=lambda path: path.name[11:]):
        masks = [read(next(product.glob(f"MASKS/*_{mask}_R1.tif"))) for mask in ("CLM", "SAT", "EDG")]
        values.append(read(next(product.glob(f"*_FRE_{band}.tif"))))
        valid.append(~np.any(masks, axis=0))
        times.append(seconds(product.name[11:19]))
    return np.array(values, float), np.array(valid), times


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        values: np.ndarray = source.read(1)
    return values


def seconds(day: str) -> float:
    return datetime.strptime(day, "%Y%m%d").timestamp()


def interpolated(folder: Path, band: str) -> tuple[np.ndarray, np.ndarray]:
    """The linearly interpolated band (date, y, x), and where (y, x) it was ever valid."""
    values, valid, times = observed(folder, band)
    ever, wanted = valid.any(axis=0), [seconds(day) for day in DATES]
    found = np.full((len(DATES), SIZE, SIZE), np.nan)
    for y, x in np.argwhere(ever):
        clear = valid[:, y, x]
        found[:, y, x] = np.interp(wanted, np.array(times)[clear], values[clear, y, x])
    return found, ever


@pytest.mark.long
def test_each_demo_makes_the_products_of_its_builder(folder: Path) -> None:
    for name in NAMES:
        files = demo_of(name).files(folder)
        config = load_config(files.config)
        products = [path for path, _ in runner.products(config)]
        assert config.chain.output_path == files.output
        assert all(path.exists() for path in products)
        assert products
    assert (folder / "IOTA2_Outputs/Results/final/Classif_Seed_0.tif").is_file()
    assert (folder / "IOTA2_Outputs/Results_features_map/final/features_map.tif").is_file()


def test_the_demos_in_a_folder_leave_each_others_results_valid(folder: Path) -> None:
    for name in NAMES:
        preview = preview_run(load_config(demo_of(name).files(folder).config), runner.Options())
        assert {verdict.state for verdict in preview.verdicts.values()} == {"fresh"}, name


@pytest.mark.parametrize("name", ["obia", "parcels"])
def test_maps_of_segments_have_the_colours_of_their_classes(folder: Path, name: str) -> None:
    files = demo_of(name).files(folder)
    colours = {code: rgb for code, *rgb in np.loadtxt(files.colors, int).tolist()}
    with rasterio.open(files.output / "final/Classif_Seed_0_ColorIndexed.tif") as source:
        table, labels = source.colormap(1), source.read(1)
    assert set(np.unique(labels)) - {0} <= set(colours)
    assert {code: list(table[code][:3]) for code in colours} == colours
    assert table[0][3] == 0, "not classified is transparent"


def test_most_wrong_declarations_are_doubtful_parcels(folder: Path) -> None:
    files = demo_of("parcels").files(folder)
    truth = pd.read_csv(files.parcels_truth).set_index("parcel")
    wrong = truth[truth["declared"] != truth["truth"]]
    found = gpd.read_file(files.output / "final/vectors/doubtful_segments_seed_0.gpkg").set_index("segment")
    assert found["declared"].to_dict() == truth["declared"].loc[found.index].to_dict()
    known = wrong.index.intersection(found.index)
    assert len(known) >= 0.7 * len(wrong) > 0
    assert (found["predicted"].loc[known] == wrong["truth"].loc[known]).mean() > 0.7
    parcels = gpd.read_file(files.parcels).set_index("parcel").loc[found.index]
    assert found.geometry.geom_equals(parcels.geometry).all(), "polygons are those of the register"


def test_the_map_has_the_features_of_bands_indices_and_functions(folder: Path) -> None:
    dated = [f"Sentinel2_{name}" for name in ("B2", "B3", "B4", "B8", "B11", "NDVI", "NDWI", "Brightness")]
    expected = [f"{name}_{day}" for name in [*dated, "sentinel2_savi"] for day in DATES]
    files = demo_of("features_map").files(folder)
    with rasterio.open(files.output / layout.FEATURES_MAP.path.format(features_map="features_map")) as source:
        assert sorted(source.descriptions) == sorted([*expected, "ndvi_change", "ndvi_amplitude"])
        assert source.crs == CRS.from_string(MAPS)


def test_the_features_of_the_functions_equal_numpy(folder: Path) -> None:
    found = features(folder)
    (red, ever), (nir, _) = interpolated(folder, "B4"), interpolated(folder, "B8")
    assert 0.5 < ever.mean() < 1
    savi = np.array([found[f"sentinel2_savi_{day}"] for day in DATES])
    expected = 1.5 * (nir - red) / (nir + red + 5000)
    np.testing.assert_allclose(savi[:, ever], expected[:, ever], atol=1e-5)
    ndvi = np.array([found[f"Sentinel2_NDVI_{day}"] for day in DATES])
    change = ndvi[DATES.index("20180715")] - ndvi[DATES.index("20180416")]
    np.testing.assert_allclose(found["ndvi_change"][ever], change[ever], atol=1e-3)
    amplitude = ndvi.max(axis=0) - ndvi.min(axis=0)
    np.testing.assert_allclose(found["ndvi_amplitude"][ever], amplitude[ever], atol=1e-3)
    for name in ("sentinel2_savi_20180116", "ndvi_change", "ndvi_amplitude"):
        assert (found[name][~ever] == -10000).all(), name


def test_an_edited_function_is_kept_and_used(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("IOTA2_Outputs"))
    code = demo_of("features_map").files(copy).external_code
    text, end = code.read_text(encoding="utf-8"), "- ndvi.min(time))"
    assert end in text
    code.write_text(text.replace(end, "- ndvi.min(time) + 1000)"), encoding="utf-8")
    status, out, error = command(capsys, *words(copy, "--builder", "features_map"))
    assert status == 0, error
    assert "differ from those of the demo: external_code/spectral_indices.py. They are kept" in out
    before, after = features(folder)["ndvi_amplitude"], features(copy)["ndvi_amplitude"]
    np.testing.assert_allclose(after, np.where(before == -10000, before, before + 1000), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("regresion", "'I2regresion' is not a builder; did you mean 'I2Regression'?"),
        ("I2Clasification", "'I2Clasification' is not a builder; did you mean 'I2Classification'?"),
    ],
)
def test_a_builder_without_demo_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    code, _, error = command(capsys, "demo", tmp_path / "demo", "--builder", name)
    assert code == 1
    assert message in error
    assert not (tmp_path / "demo").exists()
