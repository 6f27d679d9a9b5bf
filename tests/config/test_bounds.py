"""Bounds of numbers and of lengths."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.errors import ConfigError
from tests.config.helpers import loaded

HUGE = (1e9, 1e30, 10**30, float("inf"), float("nan"), -1, "9" * 5000)


def configured(folder: Path, chain: dict[str, Any], **sections: Any) -> Config:
    (folder / "s2").mkdir(exist_ok=True)
    return loaded(folder, {"s2_path": "s2"} | chain, sections)


def refused(folder: Path, chain: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(ConfigError) as message:
        configured(folder, chain, **sections)
    assert len(message.value.problems) == 1, message.value.problems
    assert len(str(message.value)) < 1000
    return message.value.problems[0]


@pytest.mark.parametrize("value", [*HUGE, 0])
def test_runs_are_bounded(tmp_path: Path, value: Any) -> None:
    assert "arg_train.runs: expected a whole number ≥ 1 and ≤ 200" in refused(tmp_path, {}, arg_train={"runs": value})


@pytest.mark.parametrize(
    ("section", "key", "limit"),
    [
        ("arg_train", "max_samples_per_class", "≤ 2147483647"),
        ("arg_train", "ratio", "> 0 and < 1"),
        ("arg_train", "random_seed", "≤ 9223372036854775807"),
        ("chain", "cloud_threshold", "≤ 10000"),
        ("Sentinel_2", "temporal_resolution", "≤ 3660"),
        ("task_retry_limits", "allowed_retry", "≤ 100"),
        ("task_retry_limits", "maximum_ram", "> 0 and ≤ 1000000"),
        ("task_retry_limits", "maximum_cpu", "≤ 65536"),
        ("coregistration", "band_src", "≤ 10000"),
        ("arg_classification", "boundary_interior_buffer_size", "≤ 100000"),
        ("arg_classification", "boundary_exterior_buffer_size", "≤ 100000"),
        ("arg_classification", "boundary_fusion_epsilon", "≤ 1"),
    ],
)
@pytest.mark.parametrize("value", [1e30, 10**30, -1, 1e300, float("inf"), float("nan")])
def test_other_numbers_are_bounded(tmp_path: Path, section: str, key: str, limit: str, value: float) -> None:
    chain = {key: value} if section == "chain" else {}
    others = {} if section == "chain" else {section: {key: value}}
    problem = refused(tmp_path, chain, **others)
    assert f"{section}.{key}: expected a" in problem
    assert limit in problem


@pytest.mark.parametrize("value", [1e-9, 0, 0.5])
def test_a_temporal_resolution_is_a_number_of_whole_days(tmp_path: Path, value: float) -> None:
    assert "expected a whole number or None ≥ 1 and ≤ 3660" in refused(
        tmp_path, {}, Sentinel_2={"temporal_resolution": value}
    )


@pytest.mark.parametrize("value", [0, 1, 1.0, 2])
def test_a_ratio_leaves_polygons_on_both_sides(tmp_path: Path, value: float) -> None:
    assert "arg_train.ratio: expected a number > 0 and < 1" in refused(tmp_path, {}, arg_train={"ratio": value})


@pytest.mark.parametrize("day", ["00010101", "99991231", "19691231", "21010101", "20180230", 1e30, "9" * 5000])
def test_years_of_dates_are_bounded(tmp_path: Path, day: Any) -> None:
    problem = refused(tmp_path, {}, Sentinel_2={"start_date": day})
    assert "Sentinel_2.start_date: expected a date YYYYMMDD" in problem


@pytest.mark.parametrize("tiles", [" ".join(f"T{k:06}" for k in range(200_000)), "T31TCJ " * 200_000])
def test_too_many_tiles_are_rejected_fast(tmp_path: Path, tiles: str) -> None:
    begun = time.process_time()
    assert "chain.list_tile: has 200,000 tiles" in refused(tmp_path, {"list_tile": tiles})
    assert time.process_time() - begun < 5


def test_repeated_tiles_of_a_long_list_are_reported_in_part(tmp_path: Path) -> None:
    names = [f"T{k:04}" for k in range(5000)]
    begun = time.process_time()
    problem = refused(tmp_path, {"list_tile": " ".join(names + names)})
    assert time.process_time() - begun < 5
    assert "T0000, T0001, T0002, T0003, T0004 and 4995 more given twice" in problem


def test_the_length_of_a_tile_name_is_bounded(tmp_path: Path) -> None:
    assert "expected a name of at most 150 bytes" in refused(tmp_path, {"list_tile": "T" * 151})
    assert "expected a name of at most 150 bytes" in refused(tmp_path, {"list_tile": "é" * 76})
    assert configured(tmp_path, {"list_tile": "é" * 75}).chain.list_tile == ("é" * 75,)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -0.0,
        -10,
        float("nan"),
        float("inf"),
        "ten",
        [10, float("inf")],
        [10, -1],
        [0, 10],
        [10, 10, 10],
        True,
        10**400,
    ],
)
def test_a_pixel_size_is_a_finite_number_above_0(tmp_path: Path, value: Any) -> None:
    assert "chain.spatial_resolution: expected a number > 0" in refused(tmp_path, {"spatial_resolution": value})


@pytest.mark.parametrize(
    ("value", "proj", "message"),
    [
        (0.0001, "EPSG:2154", "0.0001 looks like degrees, and EPSG:2154 is in metres or feet; expected such as 10"),
        (1e-300, "EPSG:2154", "1e-300 looks like degrees"),
        ([10, 1e-9], "EPSG:32631", "[10.0, 1e-09] looks like degrees"),
        (0.0001, "EPSG:2272", "looks like degrees"),
        (10, "EPSG:4326", "10.0 looks like metres, and EPSG:4326 is in degrees; expected such as 0.0001"),
        (1e-9, "EPSG:4326", "is finer than 0.1 m"),
        (1e308, "EPSG:2154", "1e+308 is larger than the Earth"),
        (1e308, "EPSG:4326", "looks like metres"),
    ],
)
def test_a_pixel_size_is_in_the_units_of_the_projection(tmp_path: Path, value: Any, proj: str, message: str) -> None:
    problem = refused(tmp_path, {"spatial_resolution": value, "proj": proj})
    assert "chain.spatial_resolution: " + message in problem or message in problem
    assert problem.startswith("line ")


@pytest.mark.parametrize(
    ("value", "proj"),
    [(10, "EPSG:2154"), (1, "EPSG:32631"), (0.0001, "EPSG:4326"), ([20, 10], "EPSG:2154"), (33, "EPSG:2272")],
)
def test_usual_pixel_sizes_are_accepted(tmp_path: Path, value: Any, proj: str) -> None:
    assert configured(tmp_path, {"spatial_resolution": value, "proj": proj}).chain.spatial_resolution is not None


def test_both_syntaxes_have_the_same_bounds(tmp_path: Path) -> None:
    configured(tmp_path, {})
    text = """chain : {{ output_path : 'out', list_tile : 'T31TCJ', s2_path : 's2', ground_truth : 'truth.shp',
    data_field : 'code', nomenclature_path : 'classes.txt', color_table : 'colours.txt', proj : 'EPSG:2154',
    spatial_resolution : {} }}"""
    for value in ("1e-300", "1e308", "1e400", "0.0", "-10"):
        (tmp_path / "a.cfg").write_text(text.format(value), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"chain\.spatial_resolution"):
            load_config(tmp_path / "a.cfg")


def test_a_minimum_weight_that_would_be_stored_as_zero_is_rejected(tmp_path: Path) -> None:
    problem = refused(tmp_path, {}, arg_classification={"boundary_fusion_epsilon": 0.0009})
    assert "expected 0 or a number from 0.001" in problem
    on = {"enable_boundary_fusion": True, "boundary_exterior_buffer_size": 10}
    for epsilon in (0, 0.001, 1):
        given = configured(tmp_path, {}, arg_classification={"boundary_fusion_epsilon": epsilon, **on})
        assert given.arg_classification.boundary_fusion_epsilon == epsilon


@pytest.mark.parametrize("widths", [[0], [-5, 10], [1e6]])
def test_distances_from_borders_are_bounded(tmp_path: Path, widths: list[float]) -> None:
    assert "boundary_buffer" in refused(tmp_path, {}, arg_classification={"boundary_buffer": widths})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("smoothing_window", 4, "expected an odd number, got 4; choose 3 or 5"),
        ("smoothing_window", 33, "≥ 3 and ≤ 31"),
        ("smoothing_fraction", 0, "> 0 and ≤ 1"),
        ("smoothness", -1, "expected a number ≥ 0, or a dictionary of labels and numbers"),
        ("uncertainty_layers", ["entropie"], "entropy"),
        ("minimum_mapping_unit", 1, "≥ 2 and ≤ 10000"),
    ],
)
def test_smoothing_is_bounded(tmp_path: Path, key: str, value: Any, message: str) -> None:
    assert message in refused(tmp_path, {}, arg_classification={"smoothing": "bayesian", key: value})


def test_smoothing_options_have_one_form(tmp_path: Path) -> None:
    given = {
        "smoothing": "None",
        "smoothness": {},
        "uncertainty_layers": ["margin", "entropy", "margin"],
        "minimum_mapping_unit": "None",
    }
    found = configured(tmp_path, {}, arg_classification=given).arg_classification
    assert (found.smoothing, found.smoothness, found.minimum_mapping_unit) == ("none", 20.0, None)
    assert found.uncertainty_layers == ("entropy", "margin")
    found = configured(tmp_path, {}, arg_classification={"smoothing": "bayesian", "smoothness": {12: 3, "011": 5}})
    assert found.arg_classification.smoothness == {"011": 5.0, "12": 3.0}
