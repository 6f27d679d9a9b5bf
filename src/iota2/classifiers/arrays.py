"""Reading of the arrays of a model."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from iota2.classifiers.base import ModelError
from iota2.core.files import require_regular
from iota2.errors import remedy_of


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an uncompressed ``.npz`` file by name; ``ModelError`` if it is missing, damaged or compressed."""
    try:
        require_regular(path)
        with zipfile.ZipFile(path) as archive:
            # A compressed member could unpack to any size; files of this program are uncompressed.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("compressed content")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as err:
        raise ModelError(f"{path}: missing, so the model is incomplete. Train it again.") from err
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror or err}. {remedy_of(err)}.") from err
    except Exception as err:  # readers raise exceptions of many types for a damaged archive, such as RuntimeError
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err
