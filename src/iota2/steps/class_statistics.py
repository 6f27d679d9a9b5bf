"""Step: how many samples each class has in each region, for one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import CODE
from iota2.io.atomic import write_text
from iota2.io.samples import read_columns


def run(job: JobContext) -> None:
    """Count the samples by class and region."""
    counts = {}
    for (region,), path in job.inp.all("samples").items():
        codes, found = np.unique(read_columns(path, [CODE], int), return_counts=True)
        counts[str(region)] = pd.Series(found, index=codes)
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table.insert(0, "all", table.sum(axis=1))
    table.columns = [c if c == "all" else f"region_{c}" for c in table.columns]
    write_text(job.out.statistics, table.to_csv(index_label="class"))


def read_class_statistics(path: Path, region: str) -> dict[int, int]:
    """Samples of one region by class code, from the file that this step writes."""
    table = pd.read_csv(path, index_col="class")
    return {int(str(code)): int(count) for code, count in table[f"region_{region}"].items()}


STEP = Step(
    name="classStatistics",
    group="sampling",
    about="Count the samples of each class and region.",
    task="class_statistics_seed_{seed}",
    run=run,
    over=("seed",),
    needs={"samples": layout.MODEL_SAMPLES},
    makes={"statistics": layout.CLASS_STATISTICS},
)
