"""Options of a run, compared with those of the previous run."""

from __future__ import annotations

import json
from pathlib import Path

from iota2 import layout
from iota2.config.options.schema import Config, describe
from iota2.core.words import json_text
from iota2.options import shown
from iota2.report.run.values import SettingView
from iota2.runs.records.state import StateFile, put_file, texts_by_name

SETTINGS_FILE: StateFile[dict[str, str]] = StateFile(
    layout.SETTINGS.path,
    lambda text: texts_by_name(json.loads(text)),
    dict,
    "It is recreated; values of the previous run are not shown.",
)
"""State file of the options."""


def setting_views(config: Config, root: Path) -> tuple[bool, list[SettingView]]:
    """Whether a previous run is known, and all options; their values are saved for the next run."""
    former = SETTINGS_FILE.load(root)
    settings = [
        SettingView(
            s.section,
            s.key,
            shown(s.value),
            "" if s.default is ... else shown(s.default),
            former.get(f"{s.section}.{s.key}"),
        )
        for s in describe(config)
    ]
    now = {f"{setting.section}.{setting.key}": setting.value for setting in settings}
    put_file(root / layout.SETTINGS.path, json_text(now, indent=1) + "\n")
    return bool(former), settings
