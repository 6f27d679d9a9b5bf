"""A run is up to date for every spelling of the path of its configuration."""

from __future__ import annotations

import pytest

from tests.chain.helpers import Case, case, command, run, small

__all__ = ["case", "small"]


def test_a_run_is_up_to_date_for_every_spelling_of_its_path(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "output_path": "results",
        "nomenclature_path": case.files.nomenclature.name,
        "color_table": f"sub/../{case.files.colors.name}",
        "s2_path": "../case/sensor_data",
        "ground_truth": "vector_data/reference_data.shp",
        "last_step": "init",
    }
    config = case.configured(chain=own)
    (case.files.folder / "sub").mkdir()
    monkeypatch.chdir(case.files.folder / "sub")
    run(config)
    for spelling in ("../case.yaml", f"../../{case.files.folder.name}/sub/../case.yaml", config):
        code, message, _ = command(capsys, "plan", spelling, "--paths-from", "..")
        assert code == 0
        assert ".." not in message
        code, message, _ = command(capsys, "plan", spelling)
        assert code == 0
        assert message.splitlines()[-1].startswith("0 jobs will run, 0 may run")
        assert "content changed" not in message
        assert ".." not in message
