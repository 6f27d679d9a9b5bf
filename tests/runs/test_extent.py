"""Limits of pixel sizes and maps, checked before the run, and the size of the map in the output of ``check``."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.chains.load import load_config
from iota2.core.grid import aligned_grid
from iota2.io.rasters.files import raster_geobox
from iota2.runs import runner
from iota2.runs.options import Options
from iota2.runs.survey.extent import (
    Extent,
    extent_problems,
    overlap_notes,
    projection_notes,
    size_problems,
    table_problems,
)
from iota2.runs.survey.survey import survey
from iota2.runs.watcher import Watcher
from tests.chain.helpers import EAST, WEST, Case, case, command, small

__all__ = ["case", "small"]
TILE = aligned_grid((300_000, 4_790_000, 409_800, 4_899_800), (10, 10), "EPSG:32631")


def problems(
    size: tuple[float, float], proj: str = "EPSG:2154", native: GeoBox = TILE, finest: float = 10.0
) -> list[str]:
    return list(size_problems(size, proj, "T31TCJ", native, finest))


@pytest.mark.parametrize(
    ("size", "proj"),
    [
        ((1, 1), "EPSG:2154"),
        ((10, 20), "EPSG:2154"),
        ((109_000, 109_000), "EPSG:2154"),
        ((1e-4, 1e-4), "EPSG:4326"),
        ((3.3, 3.3), "EPSG:2272"),
    ],
)
def test_pixel_sizes_from_a_tenth_of_the_image_pixels_to_a_tile_are_accepted(
    size: tuple[float, float], proj: str
) -> None:
    assert problems(size, proj) == []


@pytest.mark.parametrize(
    ("size", "proj", "message"),
    [
        ((0.5, 0.5), "EPSG:2154", "images of tile T31TCJ, whose pixels measure 10 m; expected at least 1"),
        ((10, 0.5), "EPSG:2154", "a pixel of 10 x 0.5 in units of EPSG:2154 is more than 10 times finer"),
        ((1e-6, 1e-6), "EPSG:4326", "times finer"),
        ((1, 1), "EPSG:2272", "expected at least 3.28"),
        ((120_000, 10), "EPSG:2154", "which measures about 109,800 x 109,800 m; expected a pixel of about 10 m"),
        ((10, 1e9), "EPSG:2154", "is larger than tile"),
        ((2.0, 2.0), "EPSG:4326", "is larger than tile"),
    ],
)  # fmt: skip
def test_other_pixel_sizes_are_rejected_with_both_sizes(size: tuple[float, float], proj: str, message: str) -> None:
    (problem,) = problems(size, proj)
    assert message in problem


@pytest.mark.parametrize("proj", ["EPSG:2154", "EPSG:32631", "EPSG:32630", "EPSG:3035", "EPSG:4326", "EPSG:3857"])
def test_a_projection_for_the_tile_or_the_adjacent_zone_gives_no_note(proj: str) -> None:
    assert list(projection_notes(proj, {"T31TCJ": TILE})) == []


@pytest.mark.parametrize("proj", ["EPSG:32640", "EPSG:32633", "EPSG:32731", "EPSG:2193", "EPSG:27700"])
def test_a_projection_for_another_area_gives_a_note_with_both_areas(proj: str) -> None:
    (note,) = projection_notes(proj, {"T31TCJ": TILE, "T31TDJ": TILE})
    assert note.startswith(f"chain.proj: {proj} (")
    assert "; tiles T31TCJ, T31TDJ lie outside (T31TCJ is near" in note
    (note,) = projection_notes(proj, {"T31TCJ": TILE})
    assert "; tile T31TCJ lies outside (T31TCJ is near" in note


def test_an_area_across_the_date_line_is_one_area() -> None:
    chatham = aligned_grid((300_000, 5_100_000, 309_800, 5_109_800), (10, 10), "EPSG:32701")
    assert list(projection_notes("EPSG:2193", {"T01GEL": chatham})) == []


def test_check_notes_a_wrong_projection_and_very_small_maps(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured(chain={"proj": "EPSG:32640"})
    code, printed, error = command(capsys, "check", config)
    text = " ".join((printed + error).split())
    assert "EPSG:32640 (WGS 84 / UTM zone 40N) is intended for 54.0° E to 60.0° E" in text
    config = case.configured(chain={"spatial_resolution": 60})
    code, printed, error = command(capsys, "check", config)
    assert code == 0
    assert f"with pixels of 60 in units of EPSG:32631, the map of tile {WEST} has" in " ".join(printed.split())
    config = case.configured(chain={"spatial_resolution": 10})
    assert "with pixels of" not in command(capsys, "check", config)[1]


def grid(rows: int, columns: int) -> GeoBox:
    return GeoBox((rows, columns), Affine.scale(10.0, -10.0), "EPSG:32631")


def test_too_large_maps_and_too_many_combinations_are_problems() -> None:
    assert not list(extent_problems(Extent(2, 240_000_000, grid(100_000, 100_000))))
    assert "2,000,000 x 1,000,000 pixels" in next(extent_problems(Extent(2, 0, grid(1_000_000, 2_000_000))))
    assert list(extent_problems(Extent(1, 0, grid(1, 2**31))))
    assert not list(table_problems(1_000_000, 5))
    assert "1000 runs of these tiles" in next(table_problems(10_000_000, 1000))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.5, "more than 10 times finer"),
        (100_000, "is larger than tile"),
        ([10, 0.2], "more than 10 times finer"),
        (0.0001, "looks like degrees"),
        (1e-300, "looks like degrees"),
        (1e308, "larger than the Earth"),
    ],
)
@pytest.mark.parametrize("grid", ["native", "proj"])
def test_check_rejects_pixel_sizes_with_option_and_line(
    case: Case, capsys: pytest.CaptureFixture[str], given: object, message: str, grid: str
) -> None:
    config = case.configured(chain={"spatial_resolution": given, "working_grid": grid})
    begun = time.process_time()
    code, _, error = command(capsys, "check", config)
    assert time.process_time() - begun < 5
    assert code == 1
    assert "chain.spatial_resolution: " in error
    assert message in error


def test_check_rejects_a_run_with_too_many_combinations(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iota2.runs.survey.extent.MAX_ROWS", 399)
    config = case.configured(chain={"list_tile": f"{WEST} {EAST}"}, arg_train={"runs": 200})
    code, _, error = command(capsys, "check", config)
    assert code == 1
    assert "arg_train.runs: 200 runs of these tiles, sensors and regions give 400 combinations" in error


def test_check_reports_the_size_of_the_map_and_the_forecast_and_writes_nothing(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(chain={"list_tile": f"{WEST} {EAST}"})
    before = sorted(case.files.folder.rglob("*"))
    code, printed, _ = command(capsys, "check", config)
    assert code == 0
    assert "2 tiles of 8,192 pixels in all; the map has 112 x 64 pixels" in printed
    assert "disk about" in printed
    assert sorted(case.files.folder.rglob("*")) == before


def unusable(case: Case) -> dict[str, str]:
    """Output folders that no run can use, with the expected message."""
    folder = case.files.folder / "places"
    folder.mkdir()
    (folder / "file").write_text("x", encoding="utf-8")
    (folder / "full").mkdir()
    (folder / "full/thesis.txt").write_text("x", encoding="utf-8")
    (folder / "dangling").symlink_to(folder / "nothing")
    (folder / "marked").mkdir()
    (folder / "marked/.iota2").write_text("x", encoding="utf-8")
    return {
        "/etc/passwd": "/etc/passwd is a file",
        "/etc/passwd/below": "/etc/passwd is a file",
        str(folder / "file/a/b"): "is a file",
        "/dev/null": "/dev/null is neither a file nor a folder",
        "/proc": "belongs to the operating system",
        "/proc/results": "belongs to the operating system",
        "/sys/results": "belongs to the operating system",
        str(folder / "full"): "is not empty and was not made by this program (it contains thesis.txt)",
        str(folder / "dangling"): "is a broken symbolic link",
        str(folder / "marked"): ".iota2 is a file",
        str(folder / ("n" * 300)): "longer than file systems allow",
        str(case.files.s2_path): "is in the folder of products",
        str(case.files.ground_truth.parent): "is not empty",
    }


def test_check_rejects_every_output_folder_that_run_rejects(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    for place, message in unusable(case).items():
        config = case.configured(chain={"output_path": place})
        for name in ("check", "plan", "run"):
            code, _, error = command(capsys, name, config)
            assert (code, message in error) == (1, True), (name, place, error)
            assert "chain.output_path: " in error
            assert "line " in error
    folder = case.files.folder / "places"
    assert (folder / "full/thesis.txt").exists()
    assert not (folder / "nothing").exists()


def test_check_rejects_a_folder_that_run_would_not_empty(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    (case.output / ".iota2").mkdir(parents=True)
    (case.output / "thesis.txt").write_text("x", encoding="utf-8")
    config = case.configured(chain={"remove_output_path": True})
    message = {command(capsys, name, config)[2] for name in ("check", "run")}
    assert len(message) == 1
    assert "contains files that this program did not make" in message.pop()


def test_check_rejects_steps_memory_and_disk_that_run_rejects(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = case.configured(chain={"first_step": "learning"})
    for name in ("check", "run"):
        code, _, error = command(capsys, name, config)
        assert code == 1
        assert "need files of earlier steps that do not exist" in error
    config = case.configured(task_retry_limits={"maximum_ram": 1e-6})
    for name in ("check", "run"):
        code, _, error = command(capsys, name, config)
        assert code == 1
        assert "a block of" in error
    monkeypatch.setattr("iota2.runs.survey.forecast.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1})())
    config = case.configured()
    for name in ("check", "run"):
        code, _, error = command(capsys, name, config)
        assert code == 1
        assert "more on this disk" in error


def test_a_missing_folder_is_accepted_by_check_and_run(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(chain={"output_path": str(tmp_path / "a/b/c")})
    assert command(capsys, "check", config)[0] == 0
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_the_products_are_on_the_grid_of_the_survey(case: Case) -> None:
    config = load_config(case.configured(chain={"list_tile": f"{WEST} {EAST}", "proj": "EPSG:2154"}))
    found = survey(config).extent.grid
    assert found is not None
    runner.run(config, Options(workers=0), Watcher())
    made = raster_geobox(config.chain.output_path / "final/Classif_Seed_0.tif")
    assert made.crs == found.crs
    assert made.resolution == found.resolution
    right, down = (~found.affine) * (made.affine.c, made.affine.f)
    assert abs(right - round(right)) < 1e-6
    assert abs(down - round(down)) < 1e-6
    assert right >= 0 <= down
    assert right + made.shape.x <= found.shape.x
    assert down + made.shape.y <= found.shape.y


def moved(across: float, down: float) -> GeoBox:
    """The grid of a tile further east and north, in metres."""
    return GeoBox(TILE.shape, Affine.translation(across, down) * TILE.affine, TILE.crs)


@pytest.mark.parametrize(
    ("across", "down", "halo", "expected"),
    [
        (109_800 - 520, 0, 2, "overlap by 520 m"),
        (0, 109_800 - 619, 2, "An overlap of 620 m or more avoids it"),
        (109_800, 0, 2, "overlap by 0 m"),
        (109_800 - 620, 0, 2, ""),
        (109_800 - 520, 0, 0, ""),
        (109_800 - 520, 109_800 - 520, 2, ""),
        (109_800 + 1000, 0, 2, ""),
    ],
    ids=["narrow", "just too narrow", "adjacent", "wide enough", "without neighbours", "at a corner", "apart"],
)
def test_narrow_overlaps_are_named_if_pixels_depend_on_their_neighbours(
    across: float, down: float, halo: int, expected: str
) -> None:
    notes = list(overlap_notes({"T31TCJ": TILE, "T31TDJ": moved(across, down)}, halo))
    assert len(notes) == bool(expected)
    assert expected in "".join(notes)
