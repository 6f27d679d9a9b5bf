"""Reference polygons and class tables as people really draw and write them, through to the report."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely

from iota2.chains.load import load_config
from iota2.classifiers import load_model
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.classes import read_classes
from iota2.io.tables.vectors import read_sqlite, read_vector
from iota2.runs.preview import survey_and_plan
from iota2.testing.world import WorldOptions
from tests.chain.helpers import (
    DATES,
    EAST,
    IMAGES,
    MAPS,
    WEST,
    Case,
    case,
    command,
    made,
    read,
    refused,
    run,
    said,
    small,
)

__all__ = ["case", "small"]
FIELD = "classe_d_occupation"
"""Longer than the ten characters of a shapefile."""
SEEDS = (0, 1)
MAP = "final/Classif_Seed_0.tif"

SINGLE, THIN, TINY, WESTERN, FAR = 41, 51, 211, 222, 34
"""Classes of one polygon; of polygons without a pixel; of one-pixel polygons; of one region only; of no usable
polygon."""
NAMES = {
    11: "cultures d'été",
    12: "冬作物 🌾",
    31: "<b>forêt</b> & taillis",
    SINGLE: "une seule fois",
    THIN: "fil",
    TINY: "grain",
    WESTERN: "l'ouest",
    FAR: "ailleurs",
}


def write_tables(case: Case, names: dict[int, str] | dict[str, str]) -> None:
    """Nomenclature and colours of these classes."""
    case.files.nomenclature.write_text("".join(f"{n}:{label}\n" for label, n in names.items()), encoding="utf-8")
    colors = "".join(f"{label} {10 * k} {200 - 10 * k} 90\n" for k, label in enumerate(names))
    case.files.colors.write_text(colors, encoding="utf-8")


# ----------------------------------------------------------------------------------- 19: one file with all troubles


class Trouble:
    """A reference file with every trouble, what stands in which row, and what the run made of it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rows: dict[str, list[int]] = {}
        good = case.reference()[["code", "geometry"]]
        self.geometry: list[shapely.Geometry | None] = list(good.geometry)
        self.codes: list[int | None] = good["code"].tolist()
        self.good = len(self.codes)

    def add(self, what: str, code: int | None, *geometries: shapely.Geometry | None) -> None:
        self.rows.setdefault(what, []).extend(range(len(self.codes), len(self.codes) + len(geometries)))
        self.geometry += geometries
        self.codes += [code] * len(geometries)

    def write(self) -> Path:
        path = self.case.files.ground_truth.with_suffix(".gpkg")
        frame = gpd.GeoDataFrame({FIELD: pd.array(self.codes, "Int64")}, geometry=self.geometry, crs=MAPS)
        frame.to_file(path, driver="GPKG", layer="parcelles")
        return path

    @property
    def root(self) -> Path:
        return self.case.output

    def pieces(self, seed: int, side: str) -> gpd.GeoDataFrame:
        """Polygons of one side over all tiles."""
        paths = [self.root / f"dataAppVal/{tile}_seed_{seed}_{side}.sqlite" for tile in (WEST, EAST)]
        frames = [read_sqlite(path) for path in paths]
        return gpd.GeoDataFrame(pd.concat([f for f in frames if len(f)], ignore_index=True), crs=MAPS)

    def used(self, what: str) -> bool:
        """Whether any ground of these rows is learned or validated."""
        both = pd.concat([self.pieces(seed, side) for seed in SEEDS for side in ("learn", "val")])
        return bool(both["originfid"].isin(self.rows[what]).any())


def square(x: float, y: float, side: float) -> shapely.Polygon:
    return shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def free_places(case: Case, taken: list[shapely.Geometry | None], count: int) -> list[shapely.Point]:
    """Centres of squares of 24 m in the west of the western tile, in region 1, that no polygon meets."""
    tile = gpd.GeoSeries([case.world.tile_geobox(WEST).extent.geom.buffer(-30)], crs=IMAGES).to_crs(MAPS).iloc[0]
    area = tile.intersection(case.world.landscape.region_polygons()[0])
    tree = shapely.STRtree([geometry for geometry in taken if geometry is not None])
    left, bottom, right, top = area.bounds
    xs, ys = np.meshgrid(np.arange(left, right, 26.0), np.arange(bottom, top, 26.0))
    squares = [square(x, y, 24) for x, y in zip(xs.ravel(), ys.ravel(), strict=True)]
    free = [s.centroid for s in squares if area.covers(s) and not len(tree.query(s, predicate="intersects"))]
    assert len(free) >= count
    return free[:: len(free) // count]


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Trouble:
    """Two tiles, two regions, two seeds, and every trouble at once, run to the end."""
    options = WorldOptions(size=128, overlap=32, classes=3, dates=DATES, clouds=False, orbit_edge=False)
    case = made(options, tmp_path_factory.mktemp("trouble") / "case")
    t = Trouble(case)
    places = iter(free_places(case, t.geometry, 14))

    def here(side: float) -> shapely.Polygon:
        point = next(places)
        return square(point.x, point.y, side)

    anchor = here(16)
    x, y = anchor.centroid.x, anchor.centroid.y
    t.add("outside", 11, shapely.transform(anchor, lambda c: c + 50_000))
    t.add("first of two labels", 11, shapely.box(x - 12, y - 8, x + 2, y + 8))
    t.add("second of two labels", 12, shapely.box(x - 2, y - 8, x + 12, y + 8))
    twice = here(16)
    t.add("one label", 31, twice)
    t.add("one label again", 31, shapely.box(twice.centroid.x, *twice.bounds[1:3], twice.bounds[3]))
    a, b, c, d = here(16).bounds
    t.add("bow-tie", 12, shapely.Polygon([(a, b), (c, d), (c, b), (a, d)]))
    t.add("multipart", 11, shapely.MultiPolygon([here(14), here(14)]))
    t.add("3D", 12, shapely.force_3d(here(14), 120.0))
    t.add("empty", 11, shapely.Polygon())
    t.add("null geometry", 11, None)
    t.add("null label", None, here(14))
    t.add("single", SINGLE, here(16))
    t.add("thin", THIN, *(_thin(case, here(8)) for _ in range(2)))
    t.add("tiny", TINY, *(_one_pixel(case, here(8)) for _ in range(2)))
    t.add("western", WESTERN, here(16), here(16))
    t.add("far", FAR, shapely.transform(anchor, lambda c: c - 70_000))
    write_tables(case, NAMES)
    run(
        case.configured(
            chain={
                "list_tile": f"{WEST} {EAST}",
                "proj": MAPS,
                "spatial_resolution": 10,
                "ground_truth": str(t.write()),
                "data_field": FIELD,
                "region_path": str(case.files.regions),
            },
            arg_train={"runs": len(SEEDS)},
            arg_classification={"enable_probability_map": True, "generate_final_probability_map": True},
        )
    )
    return t


def _pixel_centre(case: Case, near: shapely.Polygon) -> tuple[float, float]:
    """The centre, in EPSG:2154, of the pixel of the images that holds the middle of a polygon."""
    geobox = case.world.geobox
    point = gpd.GeoSeries([near.centroid], crs=MAPS).to_crs(geobox.crs).iloc[0]
    col, row = np.floor(~geobox.affine @ (point.x, point.y)) + 0.5
    x, y = geobox.affine @ (col, row)
    centre = gpd.GeoSeries([shapely.Point(x, y)], crs=geobox.crs).to_crs(MAPS).iloc[0]
    return centre.x, centre.y


def _thin(case: Case, near: shapely.Polygon) -> shapely.Polygon:
    """Two metres wide, six long, between pixel centres."""
    x, y = _pixel_centre(case, near)
    return shapely.box(x - 3, y + 4, x + 3, y + 6)


def _one_pixel(case: Case, near: shapely.Polygon) -> shapely.Polygon:
    return square(*_pixel_centre(case, near), 7)


NOTES = {
    "outside": "polygons are outside the tiles, the regions or the area with enough clear dates",
    "second of two labels": "of polygons of different labels: the area is removed from both",
    "one label again": "of polygons of one label: the area stays with the first",
    "bow-tie": "1 invalid polygon repaired (row {row})",
    "empty": "2 polygons without geometry left out (row {row}",
    "null label": "1 polygon without label left out (row {row})",
    "single": "une seule fois (41) has a single polygon in region 1",
    "far": "ailleurs (34) has no usable polygon",
    "thin": "fil (51) has no sample to learn from in region 1",
}


@pytest.mark.parametrize("what", NOTES)
def test_each_trouble_is_reported_in_text_numbers_and_page(trouble: Trouble, what: str) -> None:
    sentence = NOTES[what].format(row=trouble.rows[what][0])
    for name, text in said(trouble.root).items():
        assert sentence in html.unescape(text), name


@pytest.mark.parametrize("what", ["outside", "empty", "null geometry", "null label", "far"])
def test_polygons_without_place_or_label_teach_and_validate_nothing(trouble: Trouble, what: str) -> None:
    assert not trouble.used(what)


@pytest.mark.parametrize("what", ["bow-tie", "multipart", "3D", "tiny", "western", "first of two labels", "one label"])
def test_polygons_that_can_be_fixed_are_used(trouble: Trouble, what: str) -> None:
    assert trouble.used(what)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_ground_is_learned_and_validated(trouble: Trouble, seed: int) -> None:
    learn, val = (trouble.pieces(seed, side) for side in ("learn", "val"))
    assert len(learn) > 20
    assert len(val) > 20
    assert not set(learn["originfid"]) & set(val["originfid"])
    pairs = learn.sindex.query(val.geometry, predicate="intersects")
    shared = shapely.area(shapely.intersection(val.geometry.to_numpy()[pairs[0]], learn.geometry.to_numpy()[pairs[1]]))
    assert shared.sum() == 0


@pytest.mark.parametrize("column", ["tile_o", "region"])
def test_polygons_across_tiles_or_regions_stand_whole_on_one_side(trouble: Trouble, column: str) -> None:
    for seed in SEEDS:
        both = pd.concat([trouble.pieces(seed, side).assign(side=side) for side in ("learn", "val")])
        across = both.groupby("originfid")[column].nunique() > 1
        assert across.sum() >= 1
        assert (both.groupby("originfid")["side"].nunique() == 1).all()


def test_ground_with_two_labels_has_none(trouble: Trouble) -> None:
    (one,), (other,) = trouble.rows["first of two labels"], trouble.rows["second of two labels"]
    first, second = trouble.geometry[one], trouble.geometry[other]
    assert first is not None
    assert second is not None
    shared = first.intersection(second)
    assert shared.area > 50
    for seed, side in product(SEEDS, ("learn", "val")):
        assert trouble.pieces(seed, side).intersection(shared.buffer(-0.1)).area.sum() == 0


def test_multipart_stays_one_unit(trouble: Trouble) -> None:
    for seed in SEEDS:
        both = pd.concat([trouble.pieces(seed, side).assign(side=side) for side in ("learn", "val")])
        parts = both[both["originfid"].isin(trouble.rows["multipart"])]
        assert parts["side"].nunique() == 1
        assert parts.area.sum() == pytest.approx(2 * 14 * 14, rel=1e-3)


def test_map_holds_no_label_that_was_not_learned(trouble: Trouble) -> None:
    labels = {int(code) for seed in SEEDS for code in np.unique(read(trouble.root / f"final/Classif_Seed_{seed}.tif"))}
    assert labels <= {0, 11, 12, 31, SINGLE, TINY, WESTERN}
    assert labels >= {0, 11, 12, 31}


def test_a_class_of_one_region_is_not_mapped_in_the_other(trouble: Trouble) -> None:
    for tile in (WEST, EAST):
        for code in (WESTERN, SINGLE, TINY):
            assert not (read(trouble.root / f"classif/Classif_{tile}_model_2_seed_0.tif") == code).any()
    one, two = (load_model(trouble.root / f"model/model_{region}_seed_0").classes for region in (1, 2))
    assert set(one) - set(two) == {SINGLE, TINY, WESTERN}


def test_measures_of_classes_that_nothing_validates_are_undefined_and_not_zero(trouble: Trouble) -> None:
    content = json.loads((trouble.root / "final/metrics.json").read_text(encoding="utf-8"))
    codes = [label["code"] for label in content["labels"]]
    for code in (SINGLE, FAR):
        assert content["summary"]["recall"][codes.index(code)]["mean"] is None
        assert code in [entry["code"] for entry in content["not_validated"]]
    rows = (trouble.root / "final/RESULTS.txt").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in rows if line.strip().startswith("une seule fois") and "–" in line]
    assert line.count("–") == 4


def test_every_polygon_kept_its_label(trouble: Trouble) -> None:
    given = dict(enumerate(trouble.codes))
    for seed, side in product(SEEDS, ("learn", "val")):
        pieces = trouble.pieces(seed, side)
        assert pieces["i2label"].tolist() == [given[fid] for fid in pieces["originfid"]]
        assert pieces[FIELD[:10]].tolist() == pieces["i2label"].tolist()


def test_long_field_name_is_read_whole_and_cut_as_shapefiles_do(trouble: Trouble) -> None:
    assert FIELD in pyogrio.read_info(trouble.write())["fields"]
    assert FIELD[:10] in read_vector(trouble.root / "reference_data.shp").columns


# ------------------------------------------------------------------------------------------------ 19: kinds of labels


def relabelled(case: Case, labels: Callable[[pd.Series], object], **options: object) -> Path:
    """A configuration whose polygons carry other labels, in the field ``label``."""
    frame = case.reference()
    frame["label"] = labels(frame["code"])
    path = case.files.ground_truth.with_name("labels.gpkg")
    frame[["label", "geometry"]].to_file(path, driver="GPKG")
    return case.configured(chain={"ground_truth": str(path), "data_field": "label", **options})


def first_replaced(value: object, dtype: str) -> Callable[[pd.Series], object]:
    return lambda codes: pd.Series([value, *codes.tolist()[1:]], dtype=dtype)


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [(11.5, "float64", "11.5"), (-3, "int64", "-3"), (0, "int64", "0"), (70000, "int64", "70000")],
)
def test_numbers_that_are_no_labels_are_refused_with_their_row(
    case: Case, capsys: pytest.CaptureFixture[str], value: float, dtype: str, shown: str
) -> None:
    message = refused(capsys, relabelled(case, first_replaced(value, dtype)))
    assert f"not a whole number from 1 to 65535: {shown} (row 0)" in message
    assert "labels.gpkg" in message


def test_text_labels_keep_leading_zeros_apart_and_get_codes_of_their_own(case: Case) -> None:
    words = {11: "011", 12: "11", 31: "Forêt n° 1"}
    write_tables(case, {"011": "zéro onze", "11": "onze", "Forêt n° 1": "森林"})
    run(relabelled(case, lambda codes: codes.map(words)))
    table = (case.output / "final/Classif_table.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "#USER LABEL,IOTA2_LABEL,RED_VALUE,GREEN_VALUE,BLUE_VALUE"
    assert [line.split(",")[:2] for line in table[1:]] == [["011", "1"], ["11", "2"], ["Forêt n° 1", "3"]]
    labels = read(case.output / MAP)
    with RasterReader(case.output / MAP) as reader:
        truth = case.world.truth(reader.geobox)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert (np.array([0, 11, 12, 31])[labels] == truth)[labels > 0].mean() > 0.8


def test_a_missing_field_is_reported_with_those_that_are_there(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, case.configured(chain={"data_field": "clc"}))
    assert "no field 'clc'; the fields are code, name" in message


def test_polygons_far_from_all_tiles_are_reported_with_both(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    frame = case.reference()
    frame.geometry = frame.translate(100_000, 0)
    frame.to_file(case.files.ground_truth)
    message = refused(capsys, case.configured())
    assert f"none of its {len(frame)} polygons lies on the tiles {WEST}" in message
    assert "polygons: x" in message


def test_a_single_class_makes_a_map_of_it(case: Case) -> None:
    frame = case.reference()
    frame[frame["code"] == 11].to_file(case.files.ground_truth)
    run(case.configured())
    assert set(np.unique(read(case.output / MAP))) == {0, 11}
    assert "OA : 1.000" in said(case.output)["RESULTS.txt"]


# ------------------------------------------------------------------------------------------------------- 20: the split


def test_learning_and_validation_on_the_same_ground_is_said_loudly(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(arg_train={"split_ground_truth": False})
    code, out, _ = command(capsys, "run", config, "--workers", 0)
    assert code == 0
    assert re.search("warning: .*split_ground_truth.*optimistic", out)
    for name, text in said(case.output).items():
        assert "optimistic" in text, name
    learn, val = (read_sqlite(case.output / f"dataAppVal/{WEST}_seed_0_{side}.sqlite") for side in ("learn", "val"))
    assert learn.geometry.equals(val.geometry)


def test_a_split_run_does_not_say_so(trouble: Trouble) -> None:
    assert "optimistic" not in "".join(said(trouble.root).values())


# ------------------------------------------------------------------------------------------------ 21: class tables

LINES = {"11": "a:11", "12": "b:12", "31": "c:31"}
SHADES = {"11": "11 1 1 1", "12": "12 2 2 2", "31": "31 3 3 3"}
TABLES = {
    "no name": ([LINES["11"], LINES["12"]], list(SHADES.values()), "no name for label 31"),
    "no colour": (list(LINES.values()), [SHADES["12"], SHADES["31"]], "no colour for label 11"),
    "label twice": ([*LINES.values(), "d:12"], list(SHADES.values()), "line 4: label 12 is already on line 2"),
    "colour twice": (list(LINES.values()), [*SHADES.values(), "31 4 4 4"], "line 4: label 31 is already on line 3"),
    "shade of 256": (list(LINES.values()), [*list(SHADES.values())[:2], "31 256 0 0"], "from 0 to 255"),
}


@pytest.mark.parametrize("what", TABLES)
def test_class_tables_with_a_mistake_are_refused_by_line_or_label(
    case: Case, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    names, colors, reason = TABLES[what]
    case.files.nomenclature.write_text("\n".join(names), encoding="utf-8")
    case.files.colors.write_text("\n".join(colors), encoding="utf-8")
    assert reason in refused(capsys, case.configured())


def test_classes_of_one_name_or_colour_are_reported_and_mapped_apart(case: Case) -> None:
    case.files.nomenclature.write_text("bois:11\nbois:12\neau:31\n", encoding="utf-8")
    case.files.colors.write_text("11 5 5 5\n12 6 6 6\n31 5 5 5\n", encoding="utf-8")
    config = case.configured()
    found, _ = survey_and_plan(load_config(config))
    sentences = ("Classes 11, 12 have the same name (bois)", "Classes 11, 31 have the same colour (5 5 5)")
    assert all(any(sentence in remark.text for remark in found.remarks) for sentence in sentences)
    run(config)
    assert set(np.unique(read(case.output / MAP))) == {0, 11, 12, 31}
    for name, text in said(case.output).items():
        assert all(sentence in text for sentence in sentences), name


def test_codes_above_255_stay_what_they_are_with_colours(case: Case) -> None:
    codes = {11: 255, 12: 256, 31: 65535}
    write_tables(case, {code: f"classe {code}" for code in codes.values()})
    run(relabelled(case, lambda given: given.map(codes)))
    labels = read(case.output / MAP)
    assert labels.dtype == np.uint16
    assert set(np.unique(labels)) == {0, *codes.values()}
    with RasterReader(case.output / MAP) as reader:
        truth = case.world.truth(reader.geobox)
    mapped = np.zeros(65536, int)
    mapped[list(codes.values())] = list(codes)
    assert (mapped[labels] == truth)[labels > 0].mean() > 0.8
    with rasterio.open(case.output / "final/Classif_Seed_0_ColorIndexed.tif") as source:
        assert np.array_equal(source.read(1), labels)
        table = source.colormap(1)
    assert [table[code][:3] for code in codes.values()] == [(10 * k, 200 - 10 * k, 90) for k in range(3)]
    comparison = read(case.output / "final/diff_seed_0.tif")
    assert {2, 4} <= set(np.unique(comparison))
    assert "uint16" in said(case.output)["report.html"]


def test_names_of_any_script_stand_in_bands_text_page_style_and_picture(trouble: Trouble) -> None:
    final = trouble.root / "final"
    classes = read_classes(trouble.root / "config_model/classes.json")
    assert [classes.name(code) for code in sorted(NAMES)] == [NAMES[code] for code in sorted(NAMES)]
    with rasterio.open(final / "ProbabilityMap_seed_0.tif") as source:
        assert list(source.descriptions) == [f"{code} {NAMES[code]}" for code in sorted(NAMES)]
    texts = said(trouble.root) | {"style": (final / "Classif_Seed_0.qml").read_text(encoding="utf-8")}
    for name, text in texts.items():
        plain = json.dumps(json.loads(text), ensure_ascii=False) if name.endswith(".json") else html.unescape(text)
        assert all(shown in plain for shown in NAMES.values()), name
    assert "<b>forêt" not in texts["report.html"]
    picture = (final / "Confusion_Matrix_Classif_Seed_0.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
