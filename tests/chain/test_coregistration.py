"""A series whose dates are displaced by known amounts, mapped with and without a reference image to align it with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2 import layout
from iota2.chains.load import load_config
from iota2.compute.registration import Translation
from iota2.config.options.schema import Config
from iota2.core.grid import shift_corrected
from iota2.core.remarks import texts_of
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.alignments import Alignment, alignments_csv, read_alignments, unaligned_remarks
from iota2.runs import runner
from iota2.testing.archive import write_band
from iota2.testing.classes import BANDS
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, World, WorldOptions, make_world
from iota2.testing.writing import product, write_world
from tests.chain.conftest import configured
from tests.chain.helpers import refused
from tests.chain.test_variations import accuracy, edited
from tests.displaced import WorldOnGrid, displaced, finer

TILE = "T31TCJ"
CLOUDY, *CLEAR = (DATES[k] for k in (2, 4, 6, 8, 9))
DISPLACED = {CLOUDY: (0.0, 0.0)} | dict(zip(CLEAR, ((0.0, 0.0), (-2.4, 1.6), (1.3, 2.3), (-1.2, -2.7)), strict=True))
"""Pixels right and down, by date. The first date is hidden by clouds."""
OPTIONS = WorldOptions(size=160, overlap=32, classes=5, dates=tuple(DISPLACED), orbit_edge=False)


@dataclass(frozen=True)
class Case:
    world: World
    files: WorldFiles
    reference: Path

    def configured(self, folder: Path, *, text: str = "") -> Config:
        """One tile, one region; ``text``: further options of the section."""
        section = f"\ncoregistration : {{ vhr_path : '{self.reference}'\n {text} }}\n"
        return configured(self.files, folder, one_tile(section))


def one_tile(section: str) -> Callable[[str], str]:
    without = ("list_tile", "region_path", "region_field")
    return edited(chain=f"list_tile : '{TILE}'", without=without, sections=section)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("displaced")
    world = make_world(OPTIONS)
    files = write_world(world, folder)
    for day, by in DISPLACED.items():
        rewrite(world, files, day, displaced(world, *by))
    write_image(finer(world, 4), DATES[5], folder / "reference.tif")
    return Case(world, files, folder / "reference.tif")


def rewrite(world: World, files: WorldFiles, day: date, seen: World) -> None:
    """Write the bands of a date as another world shows them; its sky stays with the image."""
    sky = world.sky(day)
    shown = product(world, TILE, day, sky)
    for band in BANDS:
        write_band(shown, files.s2_path, band, seen.observed(day, band, sky)[world.window(TILE)])


def write_image(seen: WorldOnGrid, day: date, path: Path, **changes: object) -> None:
    """The red band of the ground as a reference image: pixels of 2.5 m, two bands, the second is it."""
    values = seen.surface(day, "B4")
    header = {"height": values.shape[0], "width": values.shape[1], "transform": seen.grid.affine}
    form = {"driver": "GTiff", "count": 2, "dtype": "uint8", "crs": str(seen.grid.crs)}
    with rasterio.open(path, "w", **header | form | changes) as file:
        file.write(np.zeros(values.shape, np.uint8), 1)
        file.write(np.clip(values / 20, 0, 255).astype(np.uint8), 2)


def run(config: Config, **options: object) -> Config:
    runner.run(config, runner.Options(workers=0, **options), runner.Watcher())  # type: ignore[arg-type]
    return config


def table(config: Config) -> dict[str, Alignment]:
    path = config.chain.output_path / layout.SHIFTS_TABLE.path.format(tile=TILE)
    return {key: one for (_, key), one in read_alignments(path).items()}


def test_an_aligned_series_gives_a_better_map(case: Case, tmp_path: Path) -> None:
    plain = run(configured(case.files, tmp_path / "plain", one_tile("")))
    assert not (plain.chain.output_path / layout.SHIFTS_TABLE.path.format(tile=TILE)).exists()
    aligned = run(case.configured(tmp_path / "aligned", text="band_ref : 2"))
    found = table(aligned)
    for day in CLEAR:
        one = found[f"{day:%Y%m%d}"]
        assert (one.right, one.down) == pytest.approx(DISPLACED[day], abs=0.15)
        assert one.moved == (DISPLACED[day] != (0.0, 0.0))
        assert one.found.windows >= 5
        assert one.found.after >= one.found.before + 0.1 * one.moved
    assert found[f"{CLOUDY:%Y%m%d}"].state == "unknown"
    assert accuracy(aligned, case.world) > accuracy(plain, case.world) + 0.02
    root = aligned.chain.output_path
    page, report = ((root / name).read_text() for name in ("logs/html/s2_path_content.html", "final/report.html"))
    assert page.count('class="dot"') == len(CLEAR)
    assert f"<td>{found['20180625'].right:+.2f}</td>" in page
    assert "Alignment with the reference image" in report
    assert "Alignment with the reference image" not in (plain.chain.output_path / "final/report.html").read_text()
    message = "Sentinel2, tile T31TCJ: 1 of 5 dates could not be aligned with the reference image"
    assert message in report
    assert message in " ".join((root / "final/RESULTS.txt").read_text().split())


def test_the_series_that_is_read_is_the_one_that_was_never_displaced(case: Case, tmp_path: Path) -> None:
    """Masks and series of all steps: the clear dates are those of the sky where it belongs."""
    config = run(case.configured(tmp_path, text="band_ref : 2"), last_step="init")
    root = config.chain.output_path
    shifts = json.loads((root / layout.SHIFTS.path.format(tile=TILE)).read_text())["Sentinel2"]
    with rasterio.open(root / layout.VALIDITY.path.format(tile=TILE)) as file:
        views = file.read(1)
    clear = np.zeros((OPTIONS.size, OPTIONS.size), int)
    for day in OPTIONS.dates:
        valid = ~case.world.sky(day).invalid[case.world.window(TILE)]
        right, down = (round(-metres / 10) for metres in shifts.get(f"{day:%Y%m%d}", (0.0, 0.0)))
        clear += np.roll(valid, (down, right), axis=(0, 1))
    inner = slice(4, -4), slice(4, -4)
    np.testing.assert_array_equal(views[inner], clear[inner])
    scene = read_scene(root / layout.SCENE.path.format(tile=TILE))
    assert all(one.shift == (0, 0) for sensor in scene.sensors for one in sensor.acquisitions), "found anew each time"


def test_another_reference_image_is_compared_again_and_the_same_is_not(case: Case, tmp_path: Path) -> None:
    reference = tmp_path / "reference.tif"
    write_image(finer(case.world, 4), DATES[5], reference)
    given = replace(case, reference=reference)
    config = run(given.configured(tmp_path, text="band_ref : 2\n prec : 6"), last_step="init")
    before = table(config)

    def jobs(config: Config) -> set[str]:
        """Steps that ran, of those that could."""
        stamp = {path: path.stat().st_mtime_ns for path in (config.chain.output_path / "logs").glob("*/*.out")}
        run(config, last_step="init")
        logs = (config.chain.output_path / "logs").glob("*/*.out")
        return {path.parent.name for path in logs if stamp.get(path) != path.stat().st_mtime_ns}

    assert jobs(config) == set()
    fine = finer(case.world, 4)
    down = WorldOnGrid(fine.options, fine.landscape, shift_corrected(fine.grid, (0.0, 20.0)))
    write_image(down, DATES[5], reference, transform=fine.grid.affine)
    assert {"coregistration", "CommonMasks", "PixelValidity"} <= jobs(config)
    after = table(config)
    for key in [f"{day:%Y%m%d}" for day in CLEAR]:
        one = after[key]
        assert (one.right, one.down) == pytest.approx((before[key].right, before[key].down - 2), abs=0.2)
    off = configured(case.files, tmp_path, one_tile(""))
    assert "CommonMasks" in jobs(off)
    assert not jobs(off)


MIDDLE = tuple(np.median([DISPLACED[day] for day in CLEAR], axis=0).tolist())


@pytest.mark.parametrize(
    ("text", "expected", "about"),
    [
        ("mode : 2", dict.fromkeys(DISPLACED, MIDDLE), ["median of 4 dates"] * 5),
        (
            "mode : 2\n date_src : 20180808",
            dict.fromkeys(DISPLACED, DISPLACED[DATES[8]]),
            ["translation of 20180809"] * 5,
        ),
        (
            "mode : 3\n date_vhr : 20180801",
            DISPLACED,
            ["", *(f"compared with {word}" for word in ("20180625", "20180809", "the reference", "20180809"))],
        ),
        ("mode : 3", DISPLACED, ["", *(["compared with"] * 4)]),
    ],
)
def test_modes(
    case: Case, tmp_path: Path, text: str, expected: dict[date, tuple[float, float]], about: list[str]
) -> None:
    found = table(run(case.configured(tmp_path, text=f"band_ref : 2\n prec : 6\n {text}"), last_step="init"))
    for day, words in zip(DISPLACED, about, strict=True):
        one = found[f"{day:%Y%m%d}"]
        assert (one.right, one.down) == pytest.approx(expected[day], abs=0.35)
        assert words in one.about


def test_a_series_that_is_nothing_like_the_reference_is_read_as_it_lies(case: Case, tmp_path: Path) -> None:
    with rasterio.open(case.reference) as source:
        header, pixels = source.profile, source.read()
    with rasterio.open(tmp_path / "other.tif", "w", **header) as file:
        file.write(np.ascontiguousarray(pixels[:, ::-1, ::-1]))
    other = replace(case, reference=tmp_path / "other.tif")
    for text in ("", "mode : 2", "mode : 3"):
        config = run(other.configured(tmp_path, text=f"band_ref : 2\n {text}"), last_step="init")
        assert {one.state for one in table(config).values()} == {"unknown"}
        shifts = (config.chain.output_path / layout.SHIFTS.path.format(tile=TILE)).read_text()
        assert json.loads(shifts) == {"Sentinel2": {}}
        (note,) = texts_of(runner.closing_remarks(config, {layout.SHIFTS_TABLE.path.format(tile=TILE)}))
        assert note.startswith(f"Sentinel2, tile {TILE}: 5 of 5 dates could not be aligned")


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("band_ref : 3", {}, "has 2 bands, band 3 is needed"),
        ("band_src : 11", {}, "coregistration.band_src: Sentinel_2 has 10 bands"),
        ("", {"crs": None}, "has no coordinate system"),
        ("", {"transform": rasterio.Affine(2.5, 0, 1e6, 0, -2.5, 5e6)}, "does not overlap tile T31TCJ"),
    ],
)
def test_a_useless_reference_is_refused_before_the_run(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, text: str, changes: dict[str, object], said: str
) -> None:
    write_image(finer(case.world, 4), DATES[5], tmp_path / "reference.tif", **changes)
    given = replace(case, reference=tmp_path / "reference.tif")
    given.configured(tmp_path, text=text)
    assert said in " ".join(refused(capsys, tmp_path / "run.cfg").split())


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("step : 128", "coregistration.step: has no effect: images are compared by phase correlation"),
        ("resample : False", "coregistration.resample: has no effect: it is always resampled to the series"),
        (
            "pattern : 'FRE'",
            "coregistration.pattern: has no effect: all bands and masks of a date are corrected",
        ),
        ("date_src : 20180511", "coregistration.date_src: has no effect with mode 1"),
        ("mode : 2\n date_src : 20180511\n date_vhr : 20180601", "coregistration.date_vhr: has no effect: date_src is"),
    ],
)
def test_options_without_effect_are_reported(case: Case, tmp_path: Path, section: str, said: str) -> None:
    config = case.configured(tmp_path, text=section)
    assert [said in warning for warning in config.warnings].count(True) == 1
    assert len(config.warnings) == 1


def test_options_without_a_reference_image_are_reported(case: Case, tmp_path: Path) -> None:
    config = configured(case.files, tmp_path, one_tile("\ncoregistration : { band_ref : 2, band_src : 3 }\n"))
    (warning,) = config.warnings
    assert "coregistration.band_ref: has no effect: coregistration.vhr_path is not set" in warning
    assert load_config(tmp_path / "run.cfg").coregistration.vhr_path is None


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    measured = Translation(1.5, -0.25, 12, 14, 0.125, 0.5, 0.75)
    unknown = Translation(compared=2, rejected="why")
    given = {
        "A": {"20180511": Alignment(measured, 1.5, -0.25, "note")},
        "B": {"20180511": Alignment(measured), "20180511.1": Alignment(unknown, about="why, indeed", known=False)},
    }
    path = tmp_path / "table.csv"
    path.write_text(alignments_csv(given), encoding="utf-8")
    found = read_alignments(path)
    assert [(one.right, one.down, one.state, one.about) for one in found.values()] == [
        (1.5, -0.25, "moved", "note"),
        (0, 0, "near", ""),
        (0, 0, "unknown", "why, indeed"),
    ]
    first, *_, last = found.values()
    assert (first.found.windows, first.found.compared, first.found.spread) == (12, 14, 0.125)
    assert (first.found.before, first.found.after) == (0.5, 0.75)
    assert np.isnan(last.found.after)
    (note,) = texts_of(unaligned_remarks(path, "T"))
    assert note.startswith("B, tile T: 1 of 2 dates could not be aligned")


def test_several_sensors_are_aligned_each_on_its_pixels_and_radar_and_layers_are_not(tmp_path: Path) -> None:
    sensors = ("Sentinel2", "Landsat8", "Sentinel1", "userFeat")
    options = WorldOptions(
        size=384, overlap=0, tiles=(TILE,), classes=3, dates=DATES[4:6], clouds=False, orbit_edge=False, sensors=sensors
    )
    world = make_world(options)
    files = write_world(world, tmp_path)
    first = sorted((files.l8_path / TILE).iterdir())[0]
    for path in first.rglob("*.tif"):
        with rasterio.open(path) as source:
            header, pixels = source.profile, source.read()
        with rasterio.open(path, "w", **header) as file:
            file.write(np.roll(pixels, (1, 2), axis=(1, 2)))
    write_image(finer(world, 2), DATES[6], tmp_path / "reference.tif")
    case = Case(world, files, tmp_path / "reference.tif")
    config = run(case.configured(tmp_path / "run", text="band_ref : 2"), last_step="init")
    root = config.chain.output_path
    found = read_alignments(root / layout.SHIFTS_TABLE.path.format(tile=TILE))
    assert {sensor for sensor, _ in found} == {"Sentinel2", "Landsat8"}
    displaced_date, *others = (one for (sensor, _), one in found.items() if sensor == "Landsat8")
    assert (displaced_date.right, displaced_date.down) == pytest.approx((2, 1), abs=0.2)
    shifts = json.loads((root / layout.SHIFTS.path.format(tile=TILE)).read_text())
    assert shifts["Landsat8"][first.name[20:28]] == pytest.approx([60, 30], abs=6)
    others += [one for (sensor, _), one in found.items() if sensor == "Sentinel2"]
    assert others
    assert all(max(abs(one.right), abs(one.down)) < 0.2 and one.known for one in others)
