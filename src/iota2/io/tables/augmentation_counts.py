"""CSV file with the number of samples of each class before and after the augmentation of one model."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


def augmentation_csv(counts: Mapping[int, int], added: Mapping[int, int]) -> str:
    """CSV text from the numbers of samples and of added samples by class code."""
    lines = [f"{code},{count},{count + added.get(code, 0)}\n" for code, count in sorted(counts.items())]
    return "".join(["class,before,after\n", *lines])


def read_augmentation(path: Path) -> dict[int, int]:
    """Number of added samples by class code, from a file of ``augmentation_csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        return {int(row["class"]): int(row["after"]) - int(row["before"]) for row in csv.DictReader(file)}
