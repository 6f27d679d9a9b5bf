"""The colours and names of the classes as a layer style of QGIS 3."""

from __future__ import annotations

from xml.etree import ElementTree

from iota2.core.nomenclature import Nomenclature

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def qgis_style(nomenclature: Nomenclature) -> str:
    """Text of a ``.qml`` file: QGIS finds it by its name beside the map and shows named, coloured classes.

    The style is paletted; values without an entry, such as 0 for not classified, are transparent.
    """
    root = ElementTree.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    ElementTree.SubElement(renderer, "rasterTransparency")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for code, name, (red, green, blue) in zip(nomenclature.codes, nomenclature.names, nomenclature.colors, strict=True):
        color = f"#{red:02x}{green:02x}{blue:02x}"
        ElementTree.SubElement(palette, "paletteEntry", value=str(code), color=color, label=name, alpha="255")
    ElementTree.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ElementTree.SubElement(root, "blendMode").text = "0"
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"
