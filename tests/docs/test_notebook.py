"""The code of the notebook and of the page on Python gives the shown results."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from tests.chain.helpers import SMALL, made, run
from tests.docs.helpers import ROOT, blocks, text_of

NOTEBOOK = ROOT / "docs/notebook.ipynb"
HOWTO = ROOT / "docs/howto/use-from-python.md"


def _cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(text_of(path))["cells"] if cell["cell_type"] == kind]


def _printed(cells: list[dict[str, Any]]) -> list[str]:
    """What each cell prints."""
    return ["".join(line for out in cell["outputs"] for line in out.get("text", ())) for cell in cells]


def _figures(cells: list[dict[str, Any]]) -> list[bytes]:
    data = [out["data"] for cell in cells for out in cell["outputs"] if "data" in out]
    return [base64.b64decode(one["image/png"]) for one in data]


@pytest.mark.slow
def test_outputs_of_the_notebook_are_current(tmp_path: Path) -> None:
    made_again = tmp_path / "notebook.ipynb"
    command = [sys.executable, str(ROOT / "docs/run_notebook.py"), str(made_again)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, found = _cells(NOTEBOOK, "code"), _cells(made_again, "code")
    assert _printed(shown) == _printed(found), "run: python docs/run_notebook.py"
    assert "prairie" in _printed(found)[-2]
    (picture,), (drawn,) = (_images(_figures(cells), tmp_path) for cells in (shown, found))
    assert picture.shape == drawn.shape
    assert np.abs(picture - drawn).mean() < 0.05, "run: python docs/run_notebook.py"
    assert len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) > 100, "the figure is not empty"


def _images(pictures: list[bytes], folder: Path) -> list[np.ndarray]:
    path = folder / "figure.png"
    images = []
    for picture in pictures:
        path.write_bytes(picture)
        images.append(matplotlib.image.imread(path))
    return images


def test_the_notebook_is_small_and_contains_no_paths_of_one_machine() -> None:
    text = text_of(NOTEBOOK)
    assert len(text) < 400_000
    assert re.findall(r"(?<![\w}*])/(?:work|tmp|home|root)/", text) == []
    content = json.loads(text)
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])


def test_links_of_the_notebook_have_existing_targets() -> None:
    links = re.findall(r"\]\(([^)]+)\)", "".join("".join(cell["source"]) for cell in _cells(NOTEBOOK, "markdown")))
    assert links
    assert all((NOTEBOOK.parent / link).exists() for link in links)


@pytest.mark.slow
def test_the_code_of_the_page_about_python_runs(tmp_path: Path) -> None:
    world = made(SMALL, tmp_path / "world")
    config = run(world.configured(chain={"output_path": str(tmp_path / "Results")}))
    assert config.chain.output_path == tmp_path / "Results"
    (tmp_path / "sensor_data").symlink_to(world.files.s2_path)
    parts = list(blocks(HOWTO, "python"))
    script = tmp_path / "shown.py"
    script.write_text("import matplotlib\nmatplotlib.use('Agg')\n" + "\n".join(parts), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(parts) >= 3
