from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from iota2.compute import features, indices
from iota2.compute.indices import (
    INDICES,
    Index,
    Spectra,
    brightness,
    dates_without_data,
    make_relative,
    ndvi,
    ndwi,
    normalised_difference,
    register,
)
from iota2.core.cube import Cube
from iota2.core.recipe import DEFAULT_INDICES, FeatureRecipe, SensorRecipe

ROLES = {"red": 0, "nir": 1, "swir": 2}


def spectra(*pixels: tuple[float, ...], correct: bool = False) -> Spectra:
    """Spectra of one date from (red, nir, swir …) of each pixel."""
    return Spectra(np.array([pixels], np.float32).transpose(0, 2, 1).copy(), ROLES, correct)


def computed(function, values: Spectra) -> list[float]:
    out = np.full((1, values.values.shape[2]), np.nan, np.float32)
    function(values, out)
    return out[0].tolist()


def test_the_registry_has_every_index_of_the_recipes() -> None:
    assert tuple(INDICES) == DEFAULT_INDICES


def test_another_package_adds_an_index_with_one_call_of_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indices, "INDICES", registered := dict(INDICES))
    monkeypatch.setattr(features, "INDICES", registered)

    def ratio(spectra: Spectra, out: np.ndarray) -> None:
        np.divide(spectra.values[:, spectra.roles["nir"]], spectra.values[:, spectra.roles["red"]], out=out)

    register(Index("Ratio", ratio, ("red", "nir")))
    cube = Cube(
        values=np.array([200, 600], np.int16).reshape(1, 2, 1, 1),
        valid=np.ones((1, 1, 1), bool),
        days=(date(2020, 1, 1),),
        keys=("20200101",),
        bands=("R", "N"),
        roles={"red": "R", "nir": "N"},
    )
    recipe = SensorRecipe("S", cube.bands, cube.roles, cube.keys, indices=("Ratio",))
    made = features.feature_block({"S": cube}, FeatureRecipe((recipe,)))
    assert made.names[-1] == "S_Ratio_20200101"
    assert made.values[-1].item() == 3
    for name in ("NDVI", "ndvi"):
        with pytest.raises(ValueError, match="already registered"):
            register(Index(name, ndvi))
    for name in ("", "a b/c", "1st"):
        with pytest.raises(ValueError, match="expected a name of letters, digits and _"):
            register(Index(name, ndvi))


def test_worked_values() -> None:
    values = spectra((500, 1500, 3000), (1000, 1000, 0))
    assert computed(ndvi, values) == pytest.approx([500, 0])
    assert computed(ndwi, values) == pytest.approx([1000 / 3, -1000])
    assert computed(brightness, values) == pytest.approx([3391.165, 1414.214])


def test_a_denominator_near_zero_gives_zero() -> None:
    values = spectra((0, 0, 0), (-700, 700, -700), (4e-6, 5e-6, 0), (4e-6, 7e-6, 0))
    assert computed(ndvi, values) == pytest.approx([0, 0, 0, 1000 * 3 / 11])
    assert computed(ndwi, values)[:3] == [0, 0, 0]


def test_the_correction_of_acor_feat() -> None:
    values = spectra((1, 3, 0), (0, 0, 0), correct=True)
    assert computed(ndvi, values) == pytest.approx([1000 * 1.95 / 4.05, -1000])


def test_nan_stays_nan() -> None:
    assert np.isnan(computed(ndvi, spectra((np.nan, 1, 1)))).all()
    assert np.isnan(computed(brightness, spectra((np.nan, 1, 1)))).all()


def test_relative_bands_keep_the_reference() -> None:
    values = spectra((500, 1500, 3000))
    make_relative(values, reference=0)
    assert values.values.ravel().tolist() == pytest.approx([500, 500, 1000 * 2500 / 3500])


def test_rows_longer_than_a_chunk_are_complete() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 9000, (2, 3, 10_001)).astype(np.float32)
    out = np.empty((2, 10_001), np.float32)
    brightness(Spectra(values, ROLES), out)
    assert np.allclose(out, np.sqrt((values.astype(float) ** 2).sum(axis=1)))


def test_nan_and_nodata_are_without_data() -> None:
    values = spectra((1, 2, -10000), (1, 2, -9999), (np.nan, 1, 1), (1, 2, 3)).values
    assert dates_without_data(values, -10000).tolist() == [[True, False, True, False]]
    assert dates_without_data(values, None).tolist() == [[False, False, True, False]]


def test_without_pixels_there_are_no_values() -> None:
    empty = np.zeros(0, np.float32)
    normalised_difference(empty, empty, empty, correct=False)
    assert computed(ndvi, Spectra(np.zeros((1, 3, 0), np.float32), ROLES)) == []
