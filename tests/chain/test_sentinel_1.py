"""Sentinel-1 alone, through the whole chain: a map from radar images, their features, and what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iota2
from iota2.chains.load import load_config
from iota2.config.enabled import EnabledSensors, resolve
from iota2.config.options import schema
from iota2.core.remarks import texts_of
from iota2.errors import UserError
from iota2.io.tables.recipes import read_recipe
from iota2.runs.preview import plan_run
from iota2.runs.survey.survey import survey
from iota2.testing.radar import write_radar
from tests.chain.helpers import SMALL, WEST, Case, command, copied, made, on_tile, refused, run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small world with radar images."""
    case = made(SMALL, tmp_path_factory.mktemp("radar") / "world")
    write_radar(case.world, case.files.folder / "radar")
    return case


@pytest.fixture
def radar(written: Case, tmp_path: Path) -> Case:
    """A copy for one test."""
    return copied(written, tmp_path / "case")


def images(case: Case, pattern: str = "*.tif") -> list[Path]:
    return sorted((case.files.folder / "radar" / "images").glob(f"*/{pattern}"))


def ini(case: Case, text: str | None = None) -> Path:
    path = case.files.folder / "radar" / "sentinel1.ini"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return path


def configured(case: Case, **sections: Any) -> Path:
    chain = {"s2_path": "", "s1_path": str(ini(case))} | sections.pop("chain", {})
    return case.configured(chain=chain, **sections)


def names(sensor: str, what: Sequence[str], days: Sequence[str]) -> list[str]:
    return [f"{sensor}_{item}_{day}" for day in days for item in what]


def test_radar_alone_maps_the_classes_and_features_are_named_by_direction_polarisation_and_date(radar: Case) -> None:
    text = "[Paths]\nOutput = images\nSRTM = none\n[Processing]\nTemporalResolution = 36\nTiles = 31TCJ\n"
    ini(radar, text + "[Features]\nexpression = VH/VV, vv - vh\n")
    trees = {"otb_classifier_options": {"classifier.rf.nbtrees": 30}}
    config = run(configured(radar, Sentinel_1={"decibel": True}, arg_train=trees))
    (warning,) = config.warnings
    assert "[Processing] Tiles: no effect" in warning
    days = {"asc": ["20180322", "20180427", "20180602", "20180708"], "des": ["20180317", "20180422", "20180528"]}
    days["des"] += ["20180703", "20180808"]
    expected = []
    for direction, dates in days.items():
        sensor = f"sentinel1_{direction}"
        expected += names(sensor, ("vv", "vh"), dates)
        expected += [f"{sensor}_userfeature{k}_{day}" for k in (1, 2) for day in dates]
    recipe = read_recipe(radar.output / "features" / "recipe.json")
    assert list(recipe.names) == expected
    assert {(sensor.decibel, sensor.speckle_radius) for sensor in recipe.sensors} == {(True, 2)}
    labels, truth = (
        on_tile(radar.output / "final" / "Classif_Seed_0.tif", radar),
        radar.world.truth(radar.world.tile_geobox(WEST)),
    )
    assert (labels > 0).all(), "clouds do not hide anything from a radar"
    assert np.mean(labels == truth) > 0.7, "of three classes"
    scene = iota2.open_scene(radar.output, WEST)
    window = iota2.features(scene.cube(scene.geobox[10:30, 20:40])).to_xarray().to_numpy()
    whole = iota2.features(scene).to_xarray().to_numpy()
    np.testing.assert_array_equal(window, whole[:, 10:30, 20:40], "filtered with pixels outside the window")


def test_the_filter_makes_the_map_better(radar: Case) -> None:
    shares = {}
    for mode in ("mono", "multi"):
        ini(radar, f"[Paths]\nOutput = images\n[Processing]\nFilteringMode = {mode}\nTemporalResolution = 36\n")
        run(configured(radar), last_step="mosaic")
        labels = on_tile(radar.output / "final" / "Classif_Seed_0.tif", radar)
        shares[mode] = np.mean(labels == radar.world.truth(radar.world.tile_geobox(WEST)))
    assert shares["multi"] > shares["mono"] + 0.02


def test_a_stray_file_is_reported_once_though_two_series_pass_it_over(radar: Case) -> None:
    (radar.files.folder / "radar" / "images" / "31TCJ" / "notes.txt").write_text("cloudless")
    notes = texts_of(survey(load_config(configured(radar))).notes[WEST])
    assert notes.count("Sentinel_1, tile T31TCJ: ignored, not files of a product: notes.txt") == 1
    assert len(set(notes)) == len(notes)


def test_a_direction_that_one_tile_lacks_is_an_error_with_mask(radar: Case, capsys: pytest.CaptureFixture[str]) -> None:
    for path in images(radar, "*_31TDJ_*_ASC_*"):
        path.unlink()
    mask = {"missing_sensors": "mask"}
    error = refused(capsys, configured(radar, chain={"list_tile": "T31TCJ T31TDJ"}, arg_classification=mask))
    assert "Sentinel_1: no product of tile T31TDJ in " in error


def test_the_season_of_sentinel_1_is_its_own(radar: Case) -> None:
    season = {"start_date": "20180401", "end_date": "20180501"}
    config = configured(radar, Sentinel_1=season, sensors_data_interpolation={"auto_date": False})
    names = survey(load_config(config)).recipe.names
    assert {name.rsplit("_", 1)[1] for name in names} == {"20180401", "20180413", "20180425"}


def test_raw_dates_keep_slices_of_a_day_apart(radar: Case) -> None:
    config = configured(radar, sensors_data_interpolation={"use_gapfilling": False})
    recipe = survey(load_config(config)).recipe
    assert {"sentinel1_des_vh_20180422", "sentinel1_des_vh_20180422.1"} <= set(recipe.names)


def test_images_that_s1tiling_has_not_made_yet_are_refused_with_the_way_out(
    radar: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in images(radar):
        path.unlink()
    (radar.files.folder / "radar" / "raw" / "S1A_IW_GRDH_1SDV_20180511.SAFE").mkdir(parents=True)
    ini(radar, "[Paths]\nOutput = images\nS1Images = raw\n")
    error = refused(capsys, configured(radar))
    code, _, message = command(capsys, "s1-ortho", "run.cfg", "--tile", "T31TCJ")
    assert code == 1
    assert "Use S1Tiling" in message
    assert " ".join(message.removeprefix("error: ").split()) in " ".join(error.split())


def test_mistakes_in_the_ini_file_are_reported_with_those_of_the_configuration(
    radar: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    ini(radar, "[Paths]\nOutput = images\n[Processing]\nTemporalResolution = soon\nBorderTreshold = 1\n")
    error = refused(capsys, configured(radar, arg_train={"runs": 0}))
    assert f"chain.s1_path: {ini(radar)}: line 4: [Processing] TemporalResolution: expected a whole number" in error
    assert f"chain.s1_path: {ini(radar)}: line 5: [Processing] bordertreshold is unknown; did you mean" in error
    assert "arg_train.runs" in error


def test_results_do_not_go_among_the_images(radar: Case, capsys: pytest.CaptureFixture[str]) -> None:
    inside = radar.files.folder / "radar" / "images" / "results"
    assert "overlaps the folder of the images" in refused(capsys, configured(radar, chain={"output_path": str(inside)}))
    radar.output.mkdir()
    shutil.move(radar.files.folder / "radar" / "images", radar.output / "images")
    ini(radar, f"[Paths]\nOutput = {radar.output}/images\n")
    assert "overlaps the folder of the images" in refused(capsys, configured(radar, chain={"remove_output_path": True}))


def test_the_names_that_the_ini_file_reports_are_those_that_are_read(radar: Case) -> None:
    for path in images(radar):
        path.rename(path.with_name(path.name.replace("s1", "mine-s1", 1)))
    text = "[Paths]\nOutput = images\n"
    ini(radar, text)
    with pytest.raises(UserError, match="no image of S1Tiling"):
        survey(load_config(configured(radar)))
    ini(radar, f"{text}FilePattern = mine-{{satellite}}_{{tile}}_{{polarisation}}_{{direction}}_{{orbit}}_*.tif\n")
    with pytest.raises(UserError, match=r"line 3: \[Paths\] FilePattern: expected \{date\} or \{acquisition_stamp\}"):
        survey(load_config(configured(radar)))
    stamp = "{satellite}_{tile}_{polarisation}_{direction}_{orbit}_{acquisition_stamp}.tif"
    ini(radar, f"{text}FilePattern = mine-{stamp}\n")
    found = survey(load_config(configured(radar)))
    assert {sensor.spec.name for scene in found.scenes.values() for sensor in scene.sensors} == {
        "sentinel1_asc",
        "sentinel1_des",
    }


def test_sensors_are_resolved_once_from_the_file_to_the_plan(radar: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The INI file, which a rule of the loading, the survey and the plan look into, is opened once."""
    resolved = 0

    def counting(*arguments: Any, **given: Any) -> EnabledSensors:
        nonlocal resolved
        resolved += 1
        return resolve(*arguments, **given)

    monkeypatch.setattr(schema, "resolve", counting)
    path = configured(radar)
    with opened(ini(radar)) as times:
        config = load_config(path)
        found = survey(config)
        assert plan_run(config, found).jobs
    assert (len(times), resolved) == (1, 1)
    assert config == load_config(path), "what is kept does not count when configurations are compared"
    assert "EnabledSensors" not in repr(config)


@contextmanager
def opened(path: Path) -> Iterator[list[str]]:
    """How often a file is opened meanwhile, by whichever way."""
    times, counting = list[str](), True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if counting and event == "open" and arguments[0] == str(path) and arguments[1]:  # an opener's has no mode
            times.append(event)

    sys.addaudithook(hook)
    try:
        yield times
    finally:
        counting = False
