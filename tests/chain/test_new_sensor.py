"""A sensor comes with the program once its description lies in the folder of descriptions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import iota2
from tests.chain.helpers import Case, case, small

__all__ = ["case", "small"]
pytestmark = pytest.mark.long
PACKAGE = Path(iota2.__file__).parent


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with a copy of the package, which has one more description."""
    copy = tmp_path / "packages" / "iota2"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / "sensors" / "sentinel_2.yaml").read_text(encoding="utf-8")
    for key, value in (
        ("name", "MadeUp"),
        ("section", "Made_up"),
        ("option", "{key: made_up_path, holds: products of a made-up sensor}"),
    ):
        text, found = re.subn(rf"(?m)^{key}: .*$", f"{key}: {value}", text)
        assert found == 1
    (copy / "sensors" / "made_up.yaml").write_text(text, encoding="utf-8")
    return copy.parent


def iota2_of(packages: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iota2", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=packages, check=False)


@pytest.mark.long
def test_a_sensor_is_one_description_and_nothing_else(case: Case, packages: Path) -> None:
    products = {"s2_path": None, "made_up_path": str(case.files.s2_path)}
    config = case.configured(chain=products, Made_up={"temporal_resolution": 20})
    done = iota2_of(packages, "run", config, "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (case.output / "final" / "Classif_Seed_0.tif").is_file()
    assert "made_up_path" in iota2_of(packages, "sensors").stdout


def test_without_its_description_the_sensor_is_unknown(case: Case, packages: Path) -> None:
    (packages / "iota2" / "sensors" / "made_up.yaml").unlink()
    config = case.files.config
    config.write_text(config.read_text(encoding="utf-8").replace("s2_path", "made_up_path"), encoding="utf-8")
    done = iota2_of(packages, "run", config, "--workers", "1")
    assert done.returncode != 0
    assert "made_up_path" in done.stdout + done.stderr
