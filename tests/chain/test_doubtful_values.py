"""Values of images that cannot be, or are doubtful, never change a map without a word; nor do nodata tags."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2.errors import JobsFailed
from tests.chain.helpers import WEST, Case, case, command, on_tile, run, said, small

__all__ = ["case", "small"]
BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")


def change(path: Path, how: Callable[[np.ndarray], np.ndarray], tag: float | None = -10000) -> None:
    with rasterio.open(path) as source:
        values, profile = source.read(1), source.profile
    values = how(values)
    with rasterio.open(path, "w", **{**profile, "dtype": values.dtype, "nodata": tag}) as file:
        file.write(values, 1)


def test_a_band_from_0_to_1_fails_by_its_name_or_is_left_out_when_asked(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    change(path, lambda values: np.where(values == -10000, -10000, values / 10000).astype("float32"))
    with pytest.raises(JobsFailed) as caught:
        run(case.configured())
    assert f"{path}: values of band B8 are impossible" in str(caught.value)
    run(case.configured(chain={"skip_damaged_products": True}))
    for name, text in said(case.output).items():
        assert f"left out, damaged: {path.parent.name}" in text, name
    found = (case.output / "final/Classif_Seed_0.tif").read_bytes()
    shutil.rmtree(case.output)
    shutil.rmtree(path.parent)
    run(case.configured())
    assert (case.output / "final/Classif_Seed_0.tif").read_bytes() == found


def test_doubtful_values_are_said_at_the_end_of_the_run_and_in_the_reports(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    product = case.products()[1]
    for band in BANDS:
        change(case.file(f"*_FRE_{band}.tif"), lambda values: np.where(values == -10000, -10000, values - 1500))
    code, out, _ = command(capsys, "run", case.configured())
    assert code == 0
    sign = "values of 1 of 3 products are negative in more than 5 % of the pixels"
    shown = " ".join(out.split())
    assert f"note: Sentinel_2, tile {WEST}: {sign}" in shown
    for name, text in said(case.output).items():
        assert sign in text, name
        assert product.name in text, name


def test_a_map_is_the_same_whichever_value_files_say_is_no_data(case: Case) -> None:
    run(case.configured())
    expected = {
        name: (case.output / "final" / name).read_bytes() for name in ("Classif_Seed_0.tif", "Confidence_Seed_0.tif")
    }
    for number, tag in enumerate((-9999, 32767, -32768)):
        for band in BANDS:
            path = case.file(f"*_FRE_{band}.tif", number)
            change(path, lambda values, tag=tag: np.where(values == -10000, tag, values).astype("int16"), tag)
    shutil.rmtree(case.output)
    config = run(case.configured())
    assert {name: (case.output / "final" / name).read_bytes() for name in expected} == expected
    assert "the nodata tag of files of 1 of 3 products" in said(case.output)["RESULTS.txt"]
    assert config.chain.list_tile == (WEST,)


def test_pixels_that_no_date_shows_get_no_class_by_the_tag_of_the_files_alone(case: Case) -> None:
    """Without a mask that says so: only the files' own tag does."""

    def emptied(values: np.ndarray) -> np.ndarray:
        values = np.where(values == -10000, -9999, values).astype("int16")
        values[: len(values) // 8] = -9999
        return values

    for number in range(3):
        for band in BANDS:
            change(case.file(f"*_FRE_{band}.tif", number), emptied, -9999)
    run(case.configured(), last_step="mosaic")
    labels = on_tile(case.output / "final/Classif_Seed_0.tif", case)
    assert not labels[:8].any()
    assert labels[8:].any()
