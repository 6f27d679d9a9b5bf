"""Step: the confusion matrices of all tiles added up, for each seed."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import Confusion
from iota2.io.atomic import write_text
from iota2.report.text import classification_results, confusion_csv, parse_confusion_csv


def read_confusion(path: Path) -> Confusion:
    """The matrix in a CSV file of ours."""
    return parse_confusion_csv(path.read_text(encoding="utf-8"), str(path))


def run(job: JobContext) -> None:
    """Write the matrix and the measures of each seed."""
    tiles = job.inp.all("tiles")
    for (seed,), path in job.out.all("confusion").items():
        total = reduce(add, (read_confusion(p) for (_, of), p in tiles.items() if of == seed))
        write_text(path, confusion_csv(total))
        write_text(job.out.all("results")[(seed,)], classification_results(total))


STEP = Step(
    name="confusionsMerge",
    group="validation",
    about="Add the confusion matrices of all tiles up.",
    task="merge_confusions",
    run=run,
    over=(),
    needs={"tiles": layout.TILE_CONFUSION},
    makes={"confusion": layout.CONFUSION, "results": layout.CLASSIFICATION_RESULTS},
)
