"""Files of several named arrays, without pickle, for content passed between steps."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iota2.core.files import require_regular
from iota2.errors import InputError
from iota2.io.files.atomic import replacing


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays uncompressed; equal arrays give equal bytes."""
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, names: Sequence[str], *, what: str, remedy: str) -> tuple[np.ndarray, ...]:
    """The arrays of these names. InputError if the file is missing or damaged, or lacks an array.

    ``what``: content of the file in words, for the error. ``remedy``: sentence without full stop.
    """
    try:
        require_regular(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found: Any = arrays
            return tuple(found[name] for name in names)
    except FileNotFoundError as err:
        raise InputError(f"{path}: does not exist. {remedy}") from err
    except (OSError, TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise InputError(f"{path}: cannot be read as {what} ({err}). {remedy}") from err
