"""Configurations written by tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from iota2.chains.load import load_config
from iota2.config.options.schema import Config


def loaded(folder: Path, chain: dict[str, Any], sections: dict[str, Any]) -> Config:
    """A configuration with these options of ``chain`` and these sections; its mandatory input files are empty."""
    for name in ("truth.shp", "classes.txt", "colours.txt"):
        (folder / name).touch()
    content = {
        "output_path": "out",
        "nomenclature_path": "classes.txt",
        "color_table": "colours.txt",
        "list_tile": "T31TCJ",
        "ground_truth": "truth.shp",
        "data_field": "code",
        "proj": "EPSG:2154",
    }
    path = folder / "run.yaml"
    text = yaml.safe_dump({"chain": content | chain, **sections}, width=10**9)
    path.write_text(text, encoding="utf-8")
    return load_config(path)
