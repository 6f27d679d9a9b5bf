"""Report on bands of the features map without data, at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Set

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.feature_map import without_data_text


def empty_band_lines(config: Config, current: Set[str]) -> list[str]:
    """A warning if bands of the features map have no data in any pixel.

    ``current``: outputs of the run that are up to date, relative to the output folder. Empty if the statistics are not.
    """
    name = layout.MAP_STATISTICS.path.format(features_map=config.external_features.output_name)
    if name not in current:
        return []
    content = json.loads((config.chain.output_path / name).read_text(encoding="utf-8"))
    empty = content["without_data"]
    return [f"warning: {without_data_text(empty, len(content['bands']))}"] if empty else []
