"""Predictors in a folder: ``predictor.json``, ``predictor.npz``, and ``estimator_<n>.skops`` for parts by scikit-learn.

The files contain no pickles. The arrays are uncompressed, so the same predictor gives the same bytes.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from iota2.classifiers.arrays import read_arrays
from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit.kept import read_estimator, write_estimator
from iota2.classifiers.scikit.nodes import from_nodes, to_nodes
from iota2.compute.predictors.predictor import Predictor
from iota2.core.files import read_text
from iota2.core.words import json_text
from iota2.errors import remedy_of

FORMAT = "iota2 predictor"
FORMAT_VERSION = 1
TREE, ARRAYS = "predictor.json", "predictor.npz"


def save_predictor(predictor: Predictor, folder: Path) -> None:
    """Write a predictor into an existing folder. ``ModelError`` for a part that cannot be stored without pickle."""
    arrays: dict[str, np.ndarray] = {}
    estimators: list[str] = []

    def keep(estimator: Any) -> str:
        name = f"estimator_{len(estimators)}.skops"
        write_estimator(estimator, folder / name)
        estimators.append(name)
        return name

    content: dict[str, Any] = {"format": FORMAT, "version": FORMAT_VERSION}
    tree = to_nodes(predictor.stage, arrays, keep)
    if estimators:
        content["scikit-learn"] = version("scikit-learn")
    (folder / TREE).write_text(json_text(content | {"predictor": tree}, indent=1) + "\n", encoding="utf-8")
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_predictor(folder: Path) -> Predictor:
    """The predictor of a folder.

    ``ModelError`` if files are missing, damaged, of a newer version, or inconsistent, and for parts by another version
    of scikit-learn. No code of the folder is executed, and indices are checked against the sizes of arrays.
    """
    path = folder / TREE
    content = _read_tree(path)
    arrays = read_arrays(folder / ARRAYS)
    try:
        stage = from_nodes(content["predictor"], arrays, lambda name: _estimator(folder, name, content))
        if arrays:
            raise ValueError(f"{len(arrays)} arrays belong to no stage")
        return Predictor(stage)
    except ModelError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except FileNotFoundError as err:
        raise ModelError(f"{path}: missing, so the model is incomplete. Train it again.") from err
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{path}: not a classifier of this program. Give the folder that the training wrote.")
    if content.get("version") != FORMAT_VERSION:
        raise ModelError(
            f"{path}: format version {content.get('version')!r}, this program reads {FORMAT_VERSION}. Use the version "
            "that trained the model, or train it again."
        )
    return content


def _estimator(folder: Path, name: str, content: dict[str, Any]) -> Any:
    """A part by scikit-learn; ``ModelError`` if another version wrote it, except for the last number of the version."""
    written, here = str(content.get("scikit-learn")), version("scikit-learn")
    if written.split(".")[:2] != here.split(".")[:2]:
        raise ModelError(
            f"{folder / name}: written by scikit-learn {written}, but {here} is installed. Install scikit-learn "
            f"{written}, or train the model again."
        )
    if Path(name).name != name:
        raise ModelError(f"{folder / TREE}: damaged (a file is {name!r}). Copy the model again or train it again.")
    return read_estimator(folder / name)
