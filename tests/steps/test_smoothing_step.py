"""Smoothing of a tile from the maps of its regions, block by block, and layers of its uncertainty."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.smoothing import BayesianSmoothing, mean_confidence, smoothed_labels, smoothed_probabilities
from iota2.compute.uncertainty import entropy, likely_classes, margin
from iota2.core.graph import Key, Resources
from iota2.core.nomenclature import Nomenclature
from iota2.errors import InputError
from iota2.io.rasters.files import RasterReader
from iota2.steps.products import smoothing
from iota2.steps.products.smoothing import SmoothingParams
from tests.steps.helpers import read_raster, run, several, write_codes, write_raster

GRID = GeoBox((40, 50), Affine(10, 0, 300_000, 0, -10, 4_900_000), "EPSG:32631")
CODES = (11, 12, 300)
CLASSES = Nomenclature(CODES, ("a", "b", "c"), ((1, 1, 1),) * 3, CODES)
BAYESIAN = SmoothingParams("bayesian", 5, 0.5, {"12": 3.0}, 0.9)
OUTPUTS = ("labels", "confidence", "probabilities", "entropy", "margin", "likely_classes")


def regions() -> dict[str, np.ndarray]:
    """Probabilities × 1000 of two regions that share a column of pixels; some pixels have no label."""
    rng = np.random.default_rng(1)
    found = {}
    for region, columns in (("1", slice(0, 31)), ("2", slice(30, 50))):
        values = np.full((3, *GRID.shape), 65535, np.uint16)
        values[:, :, columns] = np.rint(rng.dirichlet([0.6] * 3, GRID.shape).transpose(2, 0, 1) * 1000)[:, :, columns]
        values[:, 5:9, 12:20] = 65535
        found[region] = values
    return found


def joined() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of both regions, the first with data, and labelled pixels."""
    one, two = regions().values()
    values = np.where((one == 65535).all(axis=0), two, one)
    return values, values[0] != 65535


def labels_of(values: np.ndarray) -> np.ndarray:
    return np.where(values[0] == 65535, 0, np.array(CODES)[values.argmax(axis=0)]).astype(np.uint16)


def confidence_of(values: np.ndarray) -> np.ndarray:
    return np.where(values[0] == 65535, 0, values.max(axis=0) / 1000).astype(np.float32)


def smoothed(
    folder: Path,
    given: SmoothingParams,
    wanted: tuple[str, ...],
    *,
    probabilities: bool = True,
    block: int | None = None,
) -> dict[str, np.ndarray]:
    """The outputs of the step by name."""
    inp = {"classes": write_codes(folder, CLASSES)}
    axes = "region seed"
    for name, of, dtype in (("labels", labels_of, "uint16"), ("confidence", confidence_of, "float32")):
        inp[name] = several(  # type: ignore[assignment]
            axes,
            {
                (region, 0): write_raster(folder / f"{name}_{region}.tif", of(values), dtype, GRID, nodata=0)
                for region, values in regions().items()
            },
        )
    if probabilities:
        inp["probabilities"] = several(  # type: ignore[assignment]
            axes,
            {
                (region, 0): write_raster(folder / f"p_{region}.tif", values, "uint16", GRID, nodata=65535)
                for region, values in regions().items()
            },
        )
    use = Resources(block_shape=(block, block) if block else None)
    out = {name: f"{name}_{block}.tif" for name in wanted}
    run(smoothing.STEP, folder, inp, out, key=Key.of(tile="T", seed=0), params=given, use=use)
    found = {}
    for name, file in out.items():
        with RasterReader(folder / file) as reader:
            bands = reader.read_bands(GRID)
        found[name] = bands if name == "probabilities" else bands[0]
    return found


def test_bayesian_smoothing_joins_the_regions_first(tmp_path: Path) -> None:
    found = smoothed(tmp_path, BAYESIAN, OUTPUTS)
    values, labelled = joined()
    shares = smoothed_probabilities(values, labelled, BayesianSmoothing(5, 0.5, (20.0, 3.0, 20.0)))
    np.testing.assert_array_equal(found["labels"], np.where(labelled, np.array(CODES)[shares.argmax(axis=0)], 0))
    np.testing.assert_array_equal(found["confidence"], shares.max(axis=0))
    np.testing.assert_array_equal(found["probabilities"], np.where(labelled, np.rint(shares * 1000), 65535))
    np.testing.assert_array_equal(found["entropy"], entropy(shares, labelled))
    np.testing.assert_array_equal(found["margin"], margin(shares, labelled))
    np.testing.assert_array_equal(found["likely_classes"], likely_classes(shares, labelled, 0.9))
    assert (found["labels"] != labels_of(values)).any()


@pytest.mark.parametrize("block", [7, 16])
@pytest.mark.parametrize("method", ["bayesian", "majority"])
def test_blocks_do_not_change_the_result(tmp_path: Path, block: int, method: str) -> None:
    given = SmoothingParams(method, 9, 0.5, 20.0, 0.9)
    wanted = OUTPUTS if method == "bayesian" else ("labels", "confidence", "entropy")
    whole, parts = smoothed(tmp_path, given, wanted), smoothed(tmp_path, given, wanted, block=block)
    for name in wanted:
        np.testing.assert_array_equal(parts[name], whole[name], name)


def test_majority_has_the_probability_of_the_new_label(tmp_path: Path) -> None:
    found = smoothed(tmp_path, SmoothingParams("majority", 5, 1.0, 0.0, 1.0), ("labels", "confidence"))
    values, labelled = joined()
    new = smoothed_labels(labels_of(values), 5)
    np.testing.assert_array_equal(found["labels"], new)
    own = np.take_along_axis(values, np.searchsorted(CODES, np.where(labelled, new, 11))[None], axis=0)[0]
    np.testing.assert_allclose(found["confidence"], np.where(labelled, own / 1000, 0), atol=1e-6)


def test_majority_without_probabilities_has_the_mean_confidence_of_the_label(tmp_path: Path) -> None:
    given = SmoothingParams("majority", 5, 1.0, 0.0, 1.0)
    found = smoothed(tmp_path, given, ("labels", "confidence"), probabilities=False)
    values, _ = joined()
    labels = labels_of(values)
    new = smoothed_labels(labels, 5)
    np.testing.assert_array_equal(found["labels"], new)
    np.testing.assert_allclose(found["confidence"], mean_confidence(confidence_of(values), labels, new, 5))


def test_layers_without_smoothing_are_those_of_the_classifier(tmp_path: Path) -> None:
    found = smoothed(tmp_path, SmoothingParams("none", 1, 1.0, 0.0, 0.8), ("entropy", "margin", "likely_classes"))
    values, labelled = joined()
    shares = np.where(labelled, values / np.where(labelled, values.sum(axis=0, dtype=float), 1), 0).astype(np.float32)
    np.testing.assert_array_equal(found["likely_classes"], likely_classes(shares, labelled, 0.8))
    np.testing.assert_array_equal(found["margin"], margin(shares, labelled))


def test_bands_have_descriptions(tmp_path: Path) -> None:
    smoothed(tmp_path, BAYESIAN, ("likely_classes", "entropy"))
    with rasterio.open(tmp_path / "likely_classes_None.tif") as source:
        assert source.descriptions == ("classes with a probability of 90 %, as a bit mask (bit 0: 11 a; bit 1: 12 b; "
                                       "bit 2: 300 c)",)  # fmt: skip
    assert read_raster(tmp_path / "entropy_None.tif")[6, 15] == 255


def test_more_classes_than_bits_are_reported(tmp_path: Path) -> None:
    codes = tuple(range(1, 66))
    many = Nomenclature(codes, tuple(map(str, codes)), ((1, 1, 1),) * 65, codes)
    inp = {"classes": write_codes(tmp_path, many), "labels": "", "confidence": ""}
    with pytest.raises(
        InputError, match="uncertainty_layers: likely_classes: the map has 65 classes, and a set has at most 64"
    ):
        run(smoothing.STEP, tmp_path, inp, {"likely_classes": "l.tif"}, key=Key.of(tile="T", seed=0), params=BAYESIAN)


@pytest.mark.parametrize("method", ["bayesian", "majority"])
def test_blocks_stay_within_the_memory_of_the_job(tmp_path: Path, method: str) -> None:
    codes = tuple(range(1, 18))
    classes = Nomenclature(codes, tuple(map(str, codes)), ((1, 1, 1),) * 17, codes)
    grid = GeoBox((400, 400), GRID.affine, GRID.crs)
    values = np.rint(np.random.default_rng(0).dirichlet([0.5] * 17, grid.shape).transpose(2, 0, 1) * 1000)
    inp = {
        "classes": write_codes(tmp_path, classes),
        "labels": write_raster(tmp_path / "l.tif", values.argmax(axis=0) + 1, "uint8", grid, nodata=0),
        "confidence": write_raster(tmp_path / "c.tif", values.max(axis=0) / 1000, "float32", grid, nodata=0),
        "probabilities": write_raster(tmp_path / "p.tif", values, "uint16", grid, nodata=65535),
    }
    several_regions = {
        name: several("region seed", {(region, 0): path for region in "abc"}) if name != "classes" else path
        for name, path in inp.items()
    }
    del values
    out = {name: f"{name}.tif" for name in OUTPUTS if method == "bayesian" or name != "probabilities"}
    use, given = Resources(memory=8 << 20), SmoothingParams(method, 9, 0.5, 20.0, 0.9)
    key = Key.of(tile="T", seed=0)
    run(smoothing.STEP, tmp_path, several_regions, out, key=key, params=given, use=Resources(memory=1 << 20))
    tracemalloc.start()
    run(smoothing.STEP, tmp_path, several_regions, out, key=key, params=given, use=use)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert use.memory / 4 < peak <= use.memory
