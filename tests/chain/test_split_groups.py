"""Parcels cut in cells: neighbours on both sides are shown, and can be kept on one."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from iota2.io.tables.split_groups import read_split_groups
from tests.chain.helpers import Case, command, copied, read, run, said, small

__all__ = ["small"]


def cells(case: Case) -> Path:
    """The reference polygons cut in four, each cell with the number of its parcel."""
    frame = case.reference()
    parts = []
    for parcel, (code, polygon) in enumerate(zip(frame["code"], frame.geometry, strict=True)):
        x0, y0, x1, y1 = polygon.bounds
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        for corner in ((x0, y0), (x1, y0), (x0, y1), (x1, y1)):
            bounds = (min(x, corner[0]), min(y, corner[1]), max(x, corner[0]), max(y, corner[1]))
            cell = polygon.intersection(shapely.box(*bounds))
            parts.append({"code": code, "parcel": f"p{parcel}", "geometry": cell})
    path = case.files.ground_truth.with_name("cells.gpkg")
    gpd.GeoDataFrame(parts, crs=frame.crs).to_file(path, driver="GPKG")
    return path


@pytest.fixture(scope="module")
def parcels(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return copied(small, tmp_path_factory.mktemp("parcels") / "case")


def metrics(case: Case) -> dict:
    return json.loads((case.output / "final/metrics.json").read_text(encoding="utf-8"))


def test_neighbours_on_both_sides_are_said_and_a_field_keeps_parcels_whole(parcels: Case) -> None:
    truth = {"ground_truth": str(cells(parcels))}
    run(parcels.configured(chain=truth))
    before = metrics(parcels)
    everything = before["validation"]["parts"]["all"]
    assert before["validation"]["near"] == everything["polygons"], "each cell touches another, of its class"
    assert sum(everything["pixels"]) == sum(map(sum, before["seeds"][0]["confusion"])) + sum(
        before["seeds"][0]["unmapped"]
    )
    assert 0 < sum(before["validation"]["parts"]["inner"]["pixels"]) < sum(everything["pixels"])
    for text in said(parcels.output).values():
        assert "validation polygons (100 %) lie within 100 m of a learning polygon of their class" in text
        assert "map pixels whose centre lies in a validation polygon" in text

    run(parcels.configured(chain=truth, arg_train={"split_field": "parcel"}))
    sides = gpd.read_file(parcels.output / "reference_data.shp")
    parcel = gpd.read_file(truth["ground_truth"])["parcel"].to_numpy()[sides["originfid"]]
    used = (sides["seed_0"] != "unused").to_numpy()
    assert (sides[used].groupby(parcel[used])["seed_0"].nunique() == 1).all()
    assert {"learn", "validation"} <= set(sides["seed_0"])
    group_of = read_split_groups(parcels.output / "config_model/split_groups.csv")
    groups = sides["originfid"].map(group_of)
    assert groups.groupby(parcel).nunique().eq(1).all()
    assert groups.nunique() == len(set(parcel))
    for text in said(parcels.output).values():
        assert "groups that stay on one side" in text


def test_a_distance_keeps_neighbours_of_a_class_on_one_side(parcels: Case) -> None:
    truth = {"ground_truth": str(cells(parcels))}
    run(parcels.configured(chain=truth, arg_train={"split_distance": 5}))
    sides = gpd.read_file(parcels.output / "reference_data.shp")
    for _, of in sides.groupby("i2label"):
        learn, validation = (of[of["seed_0"] == name].geometry.to_numpy() for name in ("learn", "validation"))
        if len(learn) and len(validation):
            assert shapely.distance(learn[:, None], validation[None]).min() > 5
    found = metrics(parcels)["validation"]
    assert np.sum(found["near"]) <= np.sum(found["parts"]["all"]["polygons"])
    assert set(np.unique(read(parcels.output / "final/diff_seed_0.tif"))) >= {2, 4}


def test_a_field_that_is_not_there_is_found_by_check(parcels: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = parcels.configured(chain={"ground_truth": str(cells(parcels))}, arg_train={"split_field": "Parzelle"})
    code, _, error = command(capsys, "check", config)
    assert code == 1
    assert "no field 'Parzelle'; the fields are code, parcel" in error


def test_one_group_of_everything_ends_the_run_with_figures(parcels: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = parcels.configured(chain={"ground_truth": str(cells(parcels))}, arg_train={"split_distance": 100000})
    code, printed, error = command(capsys, "run", config, "--workers", "0")
    assert code in (1, 2)
    assert "No polygon is left for validation" in " ".join((printed + error).split())
    assert "Traceback" not in printed + error
