"""The QGIS styles, parsed as XML, and loaded by QGIS if it is installed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.qgis import (
    Entry,
    class_style,
    colours_style,
    confidence_style,
    difference_style,
    entropy_style,
    graduated_style,
    likely_classes_style,
    margin_style,
    paletted_style,
    polygon_style,
    probability_style,
    ramp_style,
    undecided_entry,
    validity_style,
)
from iota2.io.tables.polygon_layers import write_flatgeobuf, write_geopackage, write_zipped_shapefile
from iota2.io.tables.polygon_tables import write_polygons

NAMES = ('blé & "maïs" <dur>', "eau", "a\x00b\ud800")
CLASSES = Nomenclature((3, 211, 300), NAMES, ((255, 85, 0), (0, 0, 9), (1, 2, 3)), (3, 211, 300))
STYLED = {
    layout.VALUE_MAP: layout.VALUE_MAP_STYLE,
    layout.WIDTH_MAP: layout.WIDTH_MAP_STYLE,
    layout.TILE_VALUES: layout.TILE_VALUES_STYLE,
    layout.MAP: layout.MAP_STYLE,
    layout.COLOR_MAP: layout.COLOR_MAP_STYLE,
    layout.FINAL_CONFIDENCE: layout.CONFIDENCE_STYLE,
    layout.FINAL_VALIDITY: layout.VALIDITY_STYLE,
    layout.FINAL_PROBABILITIES: layout.PROBABILITIES_STYLE,
    layout.DIFFERENCE: layout.DIFFERENCE_STYLE,
    layout.TILE_LABELS: layout.TILE_LABELS_STYLE,
    layout.TILE_CONFIDENCE: layout.TILE_CONFIDENCE_STYLE,
    layout.TILE_VALIDITY: layout.TILE_VALIDITY_STYLE,
    layout.TILE_COMPARISON: layout.TILE_COMPARISON_STYLE,
    layout.UNSMOOTHED_MAP: layout.UNSMOOTHED_STYLE,
    layout.REGULARISED_MAP: layout.REGULARISED_STYLE,
    layout.ENTROPY: layout.ENTROPY_STYLE,
    layout.MARGIN: layout.MARGIN_STYLE,
    layout.LIKELY_CLASSES: layout.LIKELY_CLASSES_STYLE,
    layout.TILE_ENTROPY: layout.TILE_ENTROPY_STYLE,
    layout.TILE_MARGIN: layout.TILE_MARGIN_STYLE,
    layout.TILE_LIKELY_CLASSES: layout.TILE_LIKELY_CLASSES_STYLE,
    layout.MERGED_MAP: layout.MERGED_MAP_STYLE,
    layout.REGULARISED_MERGED_MAP: layout.REGULARISED_MERGED_STYLE,
    layout.MERGED_COLOR_MAP: layout.MERGED_COLOR_MAP_STYLE,
    layout.MERGED_CONFIDENCE: layout.MERGED_CONFIDENCE_STYLE,
    layout.UNBLENDED_MAP: layout.UNBLENDED_MAP_STYLE,
    layout.DS_CHOICE: layout.DS_CHOICE_STYLE,
    layout.FEATURES_MAP: layout.FEATURES_MAP_STYLE,
    layout.CLASSIF_REGUL: layout.CLASSIF_REGUL_STYLE,
}
COLOURED = {layout.TMP_UNBLENDED_MAP, layout.OPTICAL_MAP, layout.RADAR_MAP}
"""Maps for comparison, which have the colours of the classes in the file."""


def renderer(text: str) -> ElementTree.Element:
    assert text.startswith("<!DOCTYPE qgis")
    found = ElementTree.fromstring(text).find("pipe/rasterrenderer")
    assert found is not None
    assert found.get("band") == "1"
    return found


def entries(text: str) -> list[tuple[str | None, ...]]:
    found = renderer(text)
    assert found.get("type") == "paletted"
    return [tuple(map(e.get, ("value", "color", "label", "alpha"))) for e in found.iter("paletteEntry")]


def stops(text: str) -> list[float]:
    found = renderer(text)
    assert found.get("type") == "singlebandpseudocolor"
    values = [float(item.get("value", "")) for item in found.iter("item")]
    shader = found.find("rastershader/colorrampshader")
    assert [float(shader.get(name)) for name in ("minimumValue", "maximumValue")] == [values[0], values[-1]]
    assert [float(found.get(name)) for name in ("classificationMin", "classificationMax")] == [values[0], values[-1]]
    return values


def test_every_raster_of_final_has_a_style_of_its_name_under_the_same_condition() -> None:
    rasters = {one for one in layout.artifacts() if one.path.startswith("final/") and one.path.endswith(".tif")}
    assert rasters == set(STYLED) | COLOURED
    for raster, style in STYLED.items():
        assert style.path == raster.path.removesuffix(".tif") + ".qml"
        assert style.when is raster.when


def test_the_style_of_the_map_has_exactly_the_classes_with_names_and_colours() -> None:
    assert entries(class_style(CLASSES)) == [
        ("3", "#ff5500", NAMES[0], "255"),
        ("211", "#000009", "eau", "255"),
        ("300", "#010203", "a�b�", "255"),
    ]


def test_the_style_of_numbers_of_polygons_has_open_outer_ranges() -> None:
    found = ElementTree.fromstring(graduated_style("residual", [-3, -1, 1, 3], ["#0000ff", "#ffffff", "#ff0000"]))
    renderer = found.find("renderer-v2")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("attr")) == ("graduatedSymbol", "residual")
    ranges = [(float(one.get("lower", "")), float(one.get("upper", ""))) for one in renderer.iterfind("ranges/range")]
    assert ranges == [(-1e300, -1), (-1, 1), (1, 1e300)]
    labels = [one.get("label") for one in renderer.iterfind("ranges/range")]
    assert labels == ["below -1", "-1 to 1", "above 1"]
    colours = [one.get("v") for one in renderer.iterfind("symbols/symbol/layer/prop[@k='color']")]
    assert colours == ["0,0,255,255", "255,255,255,255", "255,0,0,255"]


def test_the_style_of_polygons_has_a_symbol_for_each_class_and_one_for_all_others() -> None:
    text = polygon_style(CLASSES, "code_seed_0")
    assert text.startswith("<!DOCTYPE qgis")
    found = ElementTree.fromstring(text).find("renderer-v2")
    assert found is not None
    assert (found.get("type"), found.get("attr")) == ("categorizedSymbol", "code_seed_0")
    symbols = {symbol.get("name"): symbol for symbol in found.iterfind("symbols/symbol")}
    shown = []
    for category in found.iterfind("categories/category"):
        symbol = symbols.pop(category.get("symbol"))
        layer = symbol.find("layer")
        assert layer is not None
        assert (symbol.get("type"), layer.get("class"), category.get("render")) == ("fill", "SimpleFill", "true")
        options = {one.get("name"): one.get("value") for one in layer.iterfind("Option/Option")}
        assert options == {one.get("k"): one.get("v") for one in layer.iterfind("prop")}, "of older versions of QGIS"
        shown.append((category.get("value"), options["color"], category.get("label")))
    assert shown == [
        ("3", "255,85,0,255", NAMES[0]),
        ("211", "0,0,9,255", "eau"),
        ("300", "1,2,3,255", "a�b�"),
        ("", "255,255,255,0", "not classified"),
    ]
    assert not symbols


def test_the_style_of_features_stretches_three_bands() -> None:
    style = colours_style([(3, 10.5, 400), (2, 0, 300), (1, 5, 200)])
    found = ElementTree.fromstring(style).find("pipe/rasterrenderer")
    assert found is not None
    for name, band, least, most in (("red", "3", "10.5", "400"), ("green", "2", "0", "300"), ("blue", "1", "5", "200")):
        assert found.get(f"{name}Band") == band
        stretch = found.find(f"{name}ContrastEnhancement")
        assert stretch is not None
        assert (stretch.findtext("minValue"), stretch.findtext("maxValue")) == (least, most)


def test_undecided_pixels_of_a_fusion_are_named() -> None:
    assert entries(class_style(CLASSES, [undecided_entry(255, (1, 2, 3))]))[3] == ("255", "#010203", "undecided", "255")


def test_a_single_likely_class_has_its_colour() -> None:
    assert entries(likely_classes_style(CLASSES)) == [
        ("1", "#ff5500", NAMES[0], "255"),
        ("2", "#000009", "eau", "255"),
        ("4", "#010203", "a�b�", "255"),
    ]


def test_certain_pixels_have_the_same_colour_in_both_layers() -> None:
    assert stops(entropy_style()) == stops(margin_style()) == [0, 25, 50, 75, 100]
    first, last = (
        [item.get("color") for item in renderer(style()).iter("item")] for style in (entropy_style, margin_style)
    )
    assert first == last[::-1]


def test_ramps_cover_the_range_of_values() -> None:
    assert stops(confidence_style()) == [0, 25, 50, 75, 100]
    assert stops(probability_style()) == [0, 250, 500, 750, 1000]
    assert stops(validity_style(30)) == [0, 10, 20, 30]
    assert stops(validity_style(0)) == pytest.approx([0, 1 / 3, 2 / 3, 1], abs=1e-5)
    assert stops(ramp_style(("#000000", "#ffffff"), 0, 65535)) == [0, 65535]


def test_the_values_of_the_difference_have_labels() -> None:
    with_split = {value: (color, label, alpha) for value, color, label, alpha in entries(difference_style(split=True))}
    without = {value: (color, label, alpha) for value, color, label, alpha in entries(difference_style(split=False))}
    assert list(with_split) == list(without) == ["0", "1", "2", "3", "4", "5", "6"]
    assert [with_split[v][1] for v in "1234"] == [
        "validation: wrong", "validation: right", "learning: wrong", "learning: right",
    ]  # fmt: skip
    assert without["4"][1] == "learning and validation: wrong"  # 1 + 3
    assert without["4"][0] == with_split["1"][0] != with_split["4"][0]
    assert without["6"][1] == "learning and validation: right"  # 2 + 4
    assert with_split["0"][2] == "0"


# ------------------------------------------------------------------------------------------------- QGIS

SYSTEM_PYTHON = "/usr/bin/python3"
QGIS_SCRIPT = """
import json, os, sys
from qgis.core import QgsApplication, QgsMapRendererSequentialJob, QgsMapSettings, QgsRasterLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
app = QgsApplication([], False)
app.initQgis()
found = {}
for path in sys.argv[1:]:
    layer = QgsRasterLayer(path, "layer")
    renderer = layer.renderer()
    classes, ramp = [], []
    if renderer.type() == "paletted":
        classes = [[int(c.value), c.label, c.color.name(), c.color.alpha()] for c in renderer.classes()]
    elif renderer.type() == "singlebandpseudocolor":
        items = renderer.shader().rasterShaderFunction().colorRampItemList()
        ramp = [[item.value, item.color.name()] for item in items]
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(layer.width(), layer.height()))
    settings.setBackgroundColor(QColor(255, 0, 255))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(path.replace(".tif", ".png"))
    pixels = [[image.pixelColor(x, y).name() for x in range(image.width())] for y in range(image.height())]
    found[path.rsplit("/", 1)[1]] = {
        "valid": layer.isValid(), "type": renderer.type(), "classes": classes, "ramp": ramp, "pixels": pixels,
    }
print("FOUND" + json.dumps(found), flush=True)
os._exit(0)  # QGIS may crash at exit
"""
VECTOR_SCRIPT = """
import json, os, sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
found = {}
for source in sys.argv[1:]:
    layer = QgsVectorLayer(source, "layer", "ogr")
    renderer = layer.renderer()
    classes = []
    if renderer.type() == "categorizedSymbol":
        classes = [[str(c.value() or ""), c.label(), c.symbol().color().name()] for c in renderer.categories()]
    attribute = renderer.classAttribute() if classes else None
    found[source] = {"attribute": attribute, "classes": classes, "polygons": layer.featureCount()}
print("FOUND" + json.dumps(found), flush=True)
os._exit(0)  # QGIS may crash at exit
"""
BACKGROUND = "#ff00ff"


def _has_qgis() -> bool:
    if not Path(SYSTEM_PYTHON).is_file():
        return False
    try:
        return (
            subprocess.run(
                [SYSTEM_PYTHON, "-c", "import qgis.core"], capture_output=True, timeout=60, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Classes, colour ramp and pixels with which QGIS shows each raster and its style."""
    if not _has_qgis():
        pytest.skip("QGIS is not installed for the Python of the system")
    folder = tmp_path_factory.mktemp("qgis")
    values = np.array([[0, 1, 2, 3], [3, 50, 100, 100]])
    classes = Nomenclature((1, 2, 3), (*NAMES[:2], "c"), ((255, 85, 0), (0, 0, 9), (1, 200, 3)), (1, 2, 3))
    colours = dict(zip(classes.codes, classes.colors, strict=True))
    few = np.minimum(values, 3)
    given = {
        "map_ColorIndexed": (few, {"dtype": "uint8", "nodata": 0, "colours": colours}, class_style(classes)),
        "map": (few, {"dtype": "uint8", "nodata": 0}, class_style(classes)),
        "confidence": (values, {"dtype": "uint8", "nodata": 0}, confidence_style()),
        "validity": (values, {"dtype": "uint16", "nodata": 0}, validity_style(100)),
        "difference": (few, {"dtype": "uint8", "nodata": 0}, difference_style(split=True)),
        "probabilities": (
            np.stack([values * 10, values]), {"dtype": "uint16", "count": 2, "nodata": 65535}, probability_style(),
        ),
    }  # fmt: skip
    grid = GeoBox((2, 4), Affine(10, 0, 500000, 0, -10, 6200000), "EPSG:2154")
    for name, (pixels, profile, style) in given.items():
        with RasterWriter(folder / f"{name}.tif", RasterProfile(grid, **profile)) as writer:
            writer.write(next(blocks("", grid, grid.shape)), pixels.astype(profile["dtype"]))
        (folder / f"{name}.qml").write_text(style, encoding="utf-8")
    return run_qgis(QGIS_SCRIPT, folder, [folder / f"{name}.tif" for name in given])


def run_qgis(script: str, folder: Path, paths: Sequence[str | Path]) -> dict[str, Any]:
    """What a script that uses QGIS finds in files."""
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [SYSTEM_PYTHON, "-c", script, *map(str, paths)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        cwd=folder,
        check=False,
    )
    assert "FOUND" in ran.stdout, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.partition("FOUND")[2])
    return found


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Table of two polygons."""
    if not _has_qgis():
        pytest.skip("QGIS is not installed for the Python of the system")
    squares = gpd.GeoDataFrame({"code": [3, 211]}, geometry=[shapely.box(k, 0, k + 1, 1) for k in (0, 1)], crs=2154)
    write_polygons(squares[:0], [squares], tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_qgis_shows_polygons_by_class(drawn: Path) -> None:
    folder = drawn.parent
    write_geopackage(drawn, folder / "a.gpkg", "segments")
    (folder / "a.qml").write_text(polygon_style(CLASSES, "code"), encoding="utf-8")
    layer = f"{folder}/a.gpkg|layername=segments"
    (found,) = run_qgis(VECTOR_SCRIPT, folder, [layer]).values()
    assert found["attribute"] == "code"
    assert found["classes"][:2] == [["3", NAMES[0], "#ff5500"], ["211", "eau", "#000009"]]
    assert found["classes"][3][:2] == ["", "not classified"]


def test_qgis_opens_polygons_of_all_formats_with_their_style(drawn: Path) -> None:
    folder, style = drawn.parent, polygon_style(CLASSES, "code")
    write_geopackage(drawn, folder / "a.gpkg", "a", style)
    write_zipped_shapefile(drawn, folder / "b.zip", style)
    write_flatgeobuf(drawn, folder / "c.fgb", "c")
    for name in ("b", "c"):
        (folder / f"{name}.qml").write_text(style, encoding="utf-8")
    found = run_qgis(VECTOR_SCRIPT, folder, [f"{folder}/a.gpkg", f"/vsizip/{folder}/b.zip", f"{folder}/c.fgb"])
    assert [one["polygons"] for one in found.values()] == [2, 2, 2]
    assert [one["attribute"] for one in found.values()] == ["code"] * 3
    assert len({str(one["classes"]) for one in found.values()}) == 1


@pytest.mark.parametrize("name", ["map", "map_ColorIndexed"])
def test_qgis_shows_exactly_the_classes_of_a_map_by_name(shown: dict[str, Any], name: str) -> None:
    found = shown[f"{name}.tif"]
    assert found["classes"] == [
        [1, NAMES[0], "#ff5500", 255], [2, NAMES[1], "#000009", 255], [3, "c", "#01c803", 255],
    ]  # fmt: skip
    assert found["pixels"][0] == [BACKGROUND, "#ff5500", "#000009", "#01c803"]


@pytest.mark.parametrize(("name", "most"), [("confidence", 100), ("validity", 100), ("probabilities", 1000)])
def test_qgis_shows_a_ramp_between_the_limits(shown: dict[str, Any], name: str, most: int) -> None:
    found = shown[f"{name}.tif"]
    assert found["type"] == "singlebandpseudocolor"
    assert (found["ramp"][0][0], found["ramp"][-1][0]) == (0, most)
    assert found["pixels"][1][2] == found["ramp"][-1][1]
    assert len({*found["pixels"][0], *found["pixels"][1]}) > 3
    assert (found["pixels"][0][0] == BACKGROUND) == (name != "probabilities"), (
        "0 is a valid probability, and nodata in the other rasters"
    )


def test_qgis_labels_the_values_of_the_difference(shown: dict[str, Any]) -> None:
    found = shown["difference.tif"]
    assert [one[:2] for one in found["classes"][1:5]] == [
        [1, "validation: wrong"], [2, "validation: right"], [3, "learning: wrong"], [4, "learning: right"],
    ]  # fmt: skip
    assert found["pixels"][0] == [BACKGROUND, *(one[2] for one in found["classes"][1:4])]


def test_a_transparent_entry_is_written_with_alpha_0() -> None:
    assert entries(paletted_style([Entry(7, "#010203", "seven", alpha=0)])) == [("7", "#010203", "seven", "0")]
