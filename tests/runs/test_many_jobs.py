"""Files of the last run and of inputs are read once for all jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.runs.options import Options
from iota2.runs.preview import preview_run
from iota2.runs.progress import reasons
from iota2.runs.survey import listing
from iota2.runs.survey.listing import survey_texts
from iota2.runs.survey.survey import survey
from tests.chain.helpers import EAST, WEST, Case, case, small

__all__ = ["case", "small"]


def test_state_of_the_last_run_is_read_once_for_all_reasons(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    preview = preview_run(load_config(case.configured(arg_train={"runs": 3})), Options())
    read: list[Path] = []
    monkeypatch.setattr(reasons, "failures", lambda root: read.append(root) or {})
    assert len(preview.plan.jobs) > 40
    for job in preview.plan.jobs:
        assert preview.reasons(job)
    assert len(read) == 1


def test_shared_files_are_read_once_and_each_listing_contains_those_of_its_tile(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(case.configured(chain={"list_tile": f"{WEST} {EAST}"}))
    found = survey(config)
    looked: list[str] = []
    entry = listing._entry
    monkeypatch.setattr(listing, "_entry", lambda path, known: looked.append(path) or entry(path, known))
    monkeypatch.setattr(listing, "_FILES_PER_TASK", 3)
    texts = survey_texts(found, config.chain.output_path)
    assert len(looked) == len(set(looked)) > 20
    for tile in (WEST, EAST):
        (text,) = (text for path, text in texts.items() if tile in str(path) and path.name == "listing.json")
        assert text.count(".tif") == sum(f"/{tile}/" in path for path in looked)
