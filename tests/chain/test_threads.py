"""The only model of a run is trained on the cores of all workers; the number of threads changes no byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from iota2.runs.host import cores
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain

WORLD = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
TILE = "T31TCJ"


def one_model(text: str) -> str:
    """The configuration with one tile and one region."""
    text = re.sub(r"list_tile : '[^']+'", f"list_tile : '{TILE}'", text)
    text = re.sub(r"^\s*region_\w+\s*:[^\n]*\n", "", text, flags=re.MULTILINE)
    return text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 10")


def digests(root: Path) -> dict[str, str]:
    """Digest of samples, model and maps."""
    folders = ("learningSamples", "model", "classif", "final")
    paths = [path for folder in folders for path in (root / folder).rglob("*") if path.suffix in (".tif", ".npz", "")]
    samples = (root / "learningSamples").glob("*.sqlite")
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (*paths, *samples)
        if path.is_file()
    }


@pytest.mark.long
@pytest.mark.slow
def test_the_only_model_is_trained_on_all_cores_with_the_same_bytes(tmp_path: Path) -> None:
    files = write_world(make_world(WORLD), tmp_path / "world")
    alone, shared = (configured(files, tmp_path / name, one_model) for name in ("alone", "shared"))
    run_chain(alone, last_step="mosaic")
    run_chain(shared, workers=2, last_step="mosaic")
    found = {}
    for config in (alone, shared):
        logs = config.chain.output_path / "logs"
        names = ("learnModel/learning_model_1_seed_0", "mosaic/mosaic")
        found[config.source] = ["2 threads" in (logs / f"{name}.out").read_text(encoding="utf-8") for name in names]
    assert found[alone.source] == [False, False]
    assert found[shared.source] == [cores() > 1, cores() > 1]
    expected = digests(alone.chain.output_path)
    assert len(expected) > 12
    assert digests(shared.chain.output_path) == expected
