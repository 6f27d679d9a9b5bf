"""The notebook of the documentation with the outputs of its code.

``python docs/run_notebook.py`` runs the code cells of ``docs/notebook.ipynb`` one after the other, in a new folder, and
stores what they print and draw in it; ``python docs/run_notebook.py FILE`` stores the whole notebook in another file.
Jupyter is not needed.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "notebook.ipynb"
END = "---- end of cell {number} ----"
AFTER = """
for _figure in plt.get_fignums():
    plt.figure(_figure).savefig("cell-{number}.png", dpi=80, metadata={{"Software": None}})
plt.close("all")
print("{end}")
"""
"""What follows the code of each cell: its figure becomes a file, as a notebook shows it below the cell."""
BEFORE = "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n"


def main(arguments: list[str]) -> int:
    """Writes the notebook with the outputs of its code; 1 when the code fails."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as folder:
        done = _run(["".join(cell["source"]) for cell in cells], Path(folder))
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            return 1
        rest = done.stdout
        for number, cell in enumerate(cells, start=1):
            printed, _, rest = rest.partition(END.format(number=number) + "\n")
            cell["execution_count"] = number
            cell["outputs"] = [*_text(printed), *_figure(Path(folder, f"cell-{number}.png"))]
    target = Path(arguments[0]) if arguments else NOTEBOOK
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _run(sources: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the code of all cells as one program in a folder; a FutureWarning is an error."""
    ends = [AFTER.format(number=number, end=END.format(number=number)) for number in range(1, len(sources) + 1)]
    script = folder / "cells.py"
    script.write_text(BEFORE + "".join(f"{a}\n{b}" for a, b in zip(sources, ends, strict=True)), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )


def _text(printed: str) -> list[dict[str, Any]]:
    lines = printed.splitlines(keepends=True)
    return [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []


def _figure(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    data = {"image/png": base64.b64encode(path.read_bytes()).decode("ascii"), "text/plain": ["<Figure>"]}
    return [{"data": data, "metadata": {}, "output_type": "display_data"}]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
