"""The style for QGIS, parsed as XML."""

from __future__ import annotations

from xml.etree import ElementTree

from iota2.core.nomenclature import Nomenclature
from iota2.report.style import qgis_style


def test_style_gives_each_class_its_name_and_colour():
    names = ('blé & "maïs" <dur>', "eau")
    text = qgis_style(Nomenclature((3, 211), names, ((255, 85, 0), (0, 0, 9)), (3, 211)))
    assert text.startswith("<!DOCTYPE qgis")
    root = ElementTree.fromstring(text)
    renderer = root.find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [(e.get("value"), e.get("color"), e.get("label")) for e in renderer.iter("paletteEntry")]
    assert entries == [("3", "#ff5500", names[0]), ("211", "#000009", "eau")]
