"""Reading of the CSV file with the number of samples of each class and region."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_class_statistics(path: Path, region: str) -> dict[int, int]:
    """Number of samples of one region by class code, from the file of one seed."""
    table = pd.read_csv(path, index_col="class")
    return {int(str(code)): int(count) for code, count in table[f"region_{region}"].items()}
