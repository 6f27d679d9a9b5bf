"""Run the notebook of the documentation and store the outputs of its code.

``python docs/run_notebook.py`` runs the code cells of ``docs/notebook.ipynb`` one after the other in a temporary
folder, and stores their text and figures in the notebook. ``python docs/run_notebook.py FILE`` writes the notebook with
its outputs to another file instead. Jupyter is not needed.
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
END_MARKER = "---- end of cell {number} ----"
CELL_EPILOGUE = """
for _figure in plt.get_fignums():
    plt.figure(_figure).savefig("cell-{number}.png", dpi=80, metadata={{"Software": None}})
plt.close("all")
print("{end}")
"""
"""Code added after each cell: saves the figure of the cell, and prints a marker that ends the output of the cell."""
SCRIPT_PROLOGUE = "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n"


def main(arguments: list[str]) -> int:
    """Write the notebook with its outputs; returns the exit code, 1 if the code of a cell fails."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with tempfile.TemporaryDirectory() as folder:
        done = _run_cells(["".join(cell["source"]) for cell in cells], Path(folder))
        if done.returncode:
            print(done.stdout + done.stderr, file=sys.stderr)
            return 1
        rest = done.stdout
        for number, cell in enumerate(cells, start=1):
            printed, _, rest = rest.partition(END_MARKER.format(number=number) + "\n")
            cell["execution_count"] = number
            cell["outputs"] = [*_text_outputs(printed), *_figure_outputs(Path(folder, f"cell-{number}.png"))]
    target = Path(arguments[0]) if arguments else NOTEBOOK
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _run_cells(sources: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the code of all cells as one program in a folder; a FutureWarning is an error."""
    ends = [
        CELL_EPILOGUE.format(number=number, end=END_MARKER.format(number=number))
        for number in range(1, len(sources) + 1)
    ]
    script = folder / "cells.py"
    script.write_text(
        SCRIPT_PROLOGUE + "".join(f"{a}\n{b}" for a, b in zip(sources, ends, strict=True)), encoding="utf-8"
    )
    return subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )


def _text_outputs(printed: str) -> list[dict[str, Any]]:
    lines = printed.splitlines(keepends=True)
    return [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []


def _figure_outputs(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    data = {"image/png": base64.b64encode(path.read_bytes()).decode("ascii"), "text/plain": ["<Figure>"]}
    return [{"data": data, "metadata": {}, "output_type": "display_data"}]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
