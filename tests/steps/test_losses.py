"""What a model does not learn from its polygons, from the table of wanted and available pixels."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from iota2.core.graph import JobContext, Paths, Resources
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import CODE
from iota2.errors import InputError
from iota2.io.vectors import write_samples
from iota2.steps import class_statistics
from iota2.steps.class_statistics import read_class_statistics
from iota2.steps.selection import losses, rates_csv, read_class_counts

CLASSES = Nomenclature((11, 12, 31), ("a", "b", "c"), ((1, 1, 1),) * 3, (11, 12, 31))


def found(targets: dict[int, int], available: dict[int, int], learned: dict[int, int]):
    selected = pd.DataFrame({CODE: [code for code, count in targets.items() for _ in range(count)]})
    return losses(rates_csv(targets, available, selected), learned)


def test_each_class_without_sample_has_its_reason():
    lost = found({11: 10, 12: 0, 31: 4, 41: 0}, {11: 100_000, 12: 400, 31: 4, 41: 0}, {11: 10})
    assert list(lost.reasons) == [12, 31, 41]
    assert "takes no pixel" in lost.reasons[12]
    assert "has a clear date" in lost.reasons[31]
    assert "no centre of a pixel" in lost.reasons[41]


def test_selected_pixels_that_are_never_clear_are_counted():
    lost = found({11: 10, 12: 5}, {11: 10, 12: 9}, {11: 7, 12: 5})
    assert (dict(lost.reasons), lost.unclear, lost.selected) == ({}, 3, 15)


def test_nothing_is_lost_when_all_that_was_selected_is_learned():
    assert found({11: 10}, {11: 10}, {11: 10}).unclear == 0
    assert losses("#className,requiredSamples,totalSamples,rate\n", {}).reasons == {}


def test_pixels_beyond_the_greatest_number_are_counted_apart():
    selected = pd.DataFrame({CODE: [11] * 10 + [12] * 5})
    lost = losses(rates_csv({11: 10, 12: 5}, {11: 100, 12: 5}, selected, {11: 70}), {11: 10, 12: 5})
    assert (dict(lost.reasons), lost.unclear, lost.selected, dict(lost.left_out)) == ({}, 0, 15, {11: 70})
    assert found({11: 10}, {11: 100}, {11: 10}).left_out == {}


def test_samples_of_a_region_are_read_back_with_0_for_classes_of_others(tmp_path: Path):
    paths = {}
    for region, codes in {"a, b": [11, 11, 31], "c": [12]}.items():
        paths[(region,)] = f"{region}.parquet"
        points = gpd.points_from_xy(range(len(codes)), codes, crs="EPSG:2154")
        write_samples(gpd.GeoDataFrame({CODE: codes}, geometry=points), tmp_path / paths[(region,)])
    out = tmp_path / "statistics.csv"
    class_statistics.run(
        JobContext(
            Paths(tmp_path, {"samples": paths}), Paths(tmp_path, {"statistics": out.name}), {}, None, Resources()
        )
    )
    assert read_class_statistics(out, "a, b") == {11: 2, 12: 0, 31: 1}
    assert read_class_statistics(out, "c") == {11: 0, 12: 1, 31: 0}


def test_counts_that_are_no_text_are_refused_by_file(tmp_path: Path):
    path = tmp_path / "counts.csv"
    path.write_bytes("11,5\nété,5".encode("latin-1"))
    with pytest.raises(InputError, match=r"counts\.csv: not a UTF-8 text file"):
        read_class_counts(path, CLASSES)
