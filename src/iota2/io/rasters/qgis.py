"""QGIS 3 layer styles of the rasters and polygons of a run: class names, colours and colour ramps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from iota2.compute.label_fusion import BOTH, NEITHER, NONE, OPTICAL, SAR
from iota2.compute.predict import PROBABILITY_SCALE
from iota2.core.nomenclature import Color, Nomenclature
from iota2.core.palettes import CONFIDENCE, PROBABILITY, VALIDITY

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
MAX_CONFIDENCE = 100
"""Largest values in confidence maps (percent) and in probability maps (per mille)."""
_OUTLINE = {
    "style": "solid",
    "outline_color": "80,80,80,255",
    "outline_style": "solid",
    "outline_width": "0.1",
    "outline_width_unit": "MM",
}
"""Properties of the fill and outline of polygons."""
_WRONG, _RIGHT, _LEARNING_WRONG, _LEARNING_RIGHT = "#d7191c", "#1a9641", "#fdae61", "#a6d96a"


_OPEN = 1e300
"""Limit of the outer ranges of a graduated style."""


@dataclass(frozen=True)
class Entry:
    """Name and colour of one raster value."""

    value: int
    color: str
    """``#rrggbb``."""
    name: str
    alpha: int = 255
    """0 is transparent."""


def class_style(nomenclature: Nomenclature, others: Sequence[Entry] = ()) -> str:
    """Style of the map, with names and colours of the classes, and of ``others``, values that are not classes.

    All styles are the text of a ``.qml`` file. QGIS loads it when it has the name of the raster and is in the same
    folder. Values that are not classes, such as 0 for not classified, are transparent.
    """
    named = zip(nomenclature.codes, nomenclature.names, nomenclature.colors, strict=True)
    return paletted_style([*(Entry(code, _hex(color), name) for code, name, color in named), *others])


def polygon_style(nomenclature: Nomenclature, column: str) -> str:
    """Style of polygons with the code of a class in ``column``: names and colours; without code, only the outline."""
    named = zip(nomenclature.codes, nomenclature.names, nomenclature.colors, strict=True)
    entries = [(str(code), name, (*color, 255)) for code, name, color in named]
    renderer = Element(
        "renderer-v2", type="categorizedSymbol", attr=column, symbollevels="0", enableorderby="0", forceraster="0"
    )
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    # the category without value contains null and all other values
    for k, (value, name, color) in enumerate([*entries, ("", "not classified", (255, 255, 255, 0))]):
        SubElement(categories, "category", value=value, symbol=str(k), label=_writable(name), render="true")
        symbol = SubElement(symbols, "symbol", type="fill", name=str(k), alpha="1", clip_to_extent="1", force_rhr="0")
        layer = SubElement(symbol, "layer", attrib={"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = SubElement(layer, "Option", type="Map")
        for option, text in (("color", _components(color)), *_OUTLINE.items()):
            SubElement(options, "Option", type="QString", name=option, value=text)
            SubElement(layer, "prop", k=option, v=text)  # read by QGIS up to 3.24
    return _text(renderer)


def graduated_style(column: str, limits: Sequence[float], colors: Sequence[str]) -> str:
    """Style of polygons by a number in ``column``: a colour for each range between ``limits``; the outer ranges are
    open."""
    renderer = Element(
        "renderer-v2", type="graduatedSymbol", attr=column, symbollevels="0", enableorderby="0", forceraster="0",
        graduatedMethod="GraduatedColor",
    )  # fmt: skip
    ranges, symbols = SubElement(renderer, "ranges"), SubElement(renderer, "symbols")
    for k, (color, low, high) in enumerate(zip(colors, limits[:-1], limits[1:], strict=True)):
        text = f"{low:.4g} to {high:.4g}"
        least, most = low, high
        if k == 0:
            text, least = f"below {high:.4g}", -_OPEN
        elif k == len(colors) - 1:
            text, most = f"above {low:.4g}", _OPEN
        SubElement(ranges, "range", lower=f"{least!r}", upper=f"{most!r}", symbol=str(k), label=text, render="true")
        symbol = SubElement(symbols, "symbol", type="fill", name=str(k), alpha="1", clip_to_extent="1", force_rhr="0")
        layer = SubElement(symbol, "layer", attrib={"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = SubElement(layer, "Option", type="Map")
        rgb = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        for option, value in (("color", _components((*rgb, 255))), *_OUTLINE.items()):
            SubElement(options, "Option", type="QString", name=option, value=value)
            SubElement(layer, "prop", k=option, v=value)  # read by QGIS up to 3.24
    return _text(renderer)


def confidence_style() -> str:
    """Style of a confidence map, with values from 0 to 100."""
    return ramp_style(CONFIDENCE, 0, MAX_CONFIDENCE, unit=" %")


def validity_style(most: int) -> str:
    """Style of a validity raster, with numbers of clear dates from 0 to ``most``."""
    return ramp_style(VALIDITY, 0, max(1, most))


def probability_style() -> str:
    """Style of the first band of a probability map; QGIS keeps the ramp when the user selects another band."""
    return ramp_style(PROBABILITY, 0, PROBABILITY_SCALE)


def entropy_style() -> str:
    """Style of the entropy, with values from 0 (certain) to 100 %."""
    return ramp_style(CONFIDENCE[::-1], 0, MAX_CONFIDENCE, unit=" %")


def margin_style() -> str:
    """Style of the difference of the two highest probabilities, with values from 0 to 100 % (certain)."""
    return ramp_style(CONFIDENCE, 0, MAX_CONFIDENCE, unit=" %")


def likely_classes_style(nomenclature: Nomenclature) -> str:
    """Style of a bit mask of likely classes: pixels with a single likely class in its colour, others transparent."""
    named = zip(nomenclature.names, nomenclature.colors, strict=True)
    return paletted_style([Entry(1 << k, _hex(color), name) for k, (name, color) in enumerate(named)])


def difference_style(*, split: bool) -> str:
    """Style of the raster that compares the map with the reference data.

    Without ``split``, all polygons are used for learning and for validation: the value of a pixel is the sum of those
    of both.
    """
    both_wrong = "learning and validation: wrong"
    four = Entry(4, _LEARNING_RIGHT, "learning: right") if split else Entry(4, _WRONG, both_wrong)
    return paletted_style(
        [
            Entry(0, "#ffffff", "no reference, or not classified", alpha=0),
            Entry(1, _WRONG, "validation: wrong"),
            Entry(2, _RIGHT, "validation: right"),
            Entry(3, _LEARNING_WRONG, "learning: wrong"),
            four,
            Entry(5, "#7f7f7f", "learning and validation: contradictory"),
            Entry(6, _RIGHT, "learning and validation: right"),
        ]
    )


def choice_style() -> str:
    """Style of the raster of the model that gave the label, of optical and radar models."""
    return paletted_style(
        [
            Entry(NONE, "#ffffff", "not classified", alpha=0),
            Entry(BOTH, "#4dac26", "both models"),
            Entry(SAR, "#7b3294", "radar model"),
            Entry(OPTICAL, "#2c7bb6", "optical model"),
            Entry(NEITHER, "#fdae61", "neither: mean of both"),
        ]
    )


def colours_style(bands: Sequence[tuple[int, float, float]]) -> str:
    """Style of three bands as red, green and blue: number from 1, and values of the darkest and brightest pixels."""
    renderer = _renderer("multibandcolor")
    del renderer.attrib["band"]
    for name, (band, least, most) in zip(("red", "green", "blue"), bands, strict=True):
        renderer.attrib[f"{name}Band"] = str(band)
        stretch = SubElement(renderer, f"{name}ContrastEnhancement")
        SubElement(stretch, "minValue").text = f"{least:g}"
        SubElement(stretch, "maxValue").text = f"{most:g}"
        SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
    return _document(renderer)


def paletted_style(entries: Sequence[Entry]) -> str:
    """Style of a raster with a list of values; other values are transparent."""
    renderer = _renderer("paletted")
    palette = SubElement(renderer, "colorPalette")
    for entry in entries:
        SubElement(
            palette, "paletteEntry",
            value=str(entry.value), color=entry.color, label=_writable(entry.name), alpha=str(entry.alpha),
        )  # fmt: skip
    return _document(renderer)


def ramp_style(colors: Sequence[str], least: float, most: float, unit: str = "") -> str:
    """Style of the first band as a linear colour ramp from ``least`` to ``most``, with equally spaced ``colors``."""
    renderer = _renderer("singlebandpseudocolor")
    renderer.attrib |= {"classificationMin": f"{least:g}", "classificationMax": f"{most:g}"}
    SubElement(SubElement(renderer, "minMaxOrigin"), "limits").text = "None"
    shader = SubElement(
        SubElement(renderer, "rastershader"), "colorrampshader",
        colorRampType="INTERPOLATED", classificationMode="1", clip="0", minimumValue=f"{least:g}",
        maximumValue=f"{most:g}", labelPrecision="4",
    )  # fmt: skip
    for k, color in enumerate(colors):
        value = least + (most - least) * k / (len(colors) - 1)
        SubElement(shader, "item", value=f"{value:g}", color=color, label=f"{round(value, 1):g}{unit}", alpha="255")
    return _document(renderer)


def _renderer(kind: str) -> Element:
    renderer = Element("rasterrenderer", type=kind, band="1", opacity="1", alphaBand="-1", nodataColor="")
    SubElement(renderer, "rasterTransparency")
    return renderer


def _document(renderer: Element) -> str:
    """The text of the style of a raster."""
    pipe = Element("pipe")
    pipe.append(renderer)
    SubElement(pipe, "rasterresampler", maxOversampling="2")
    return _text(pipe)


def _text(content: Element) -> str:
    root = Element("qgis", version="3.22.0", styleCategories="Symbology")
    root.append(content)
    SubElement(root, "blendMode").text = "0"
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def undecided_entry(value: int, color: Color) -> Entry:
    """Entry of the pixels of a fusion that are not decided."""
    return Entry(value, _hex(color), "undecided")


def _components(color: Sequence[int]) -> str:
    """Red, green, blue and alpha as text."""
    return ",".join(map(str, color))


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _writable(name: str) -> str:
    """The name with characters that XML does not allow replaced by ``�``."""
    return "".join(char if _in_xml(ord(char)) else "�" for char in name)


def _in_xml(code: int) -> bool:
    """Whether XML 1.0 allows a character (section 2.2 of the recommendation)."""
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000
