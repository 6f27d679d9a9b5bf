"""Reading of feature recipes."""

from __future__ import annotations

import json
from pathlib import Path

from iota2.core.recipe import FeatureRecipe


def read_recipe(path: Path) -> FeatureRecipe:
    """The recipe from a JSON file of a run."""
    return FeatureRecipe.from_json(json.loads(path.read_text(encoding="utf-8")))
