"""iota2 makes land-cover maps of large areas from satellite image time series and labelled polygons."""

from iota2.import_path import leave_out_working_folder

leave_out_working_folder()

from importlib import import_module  # noqa: E402 - the import path must not contain the working folder before
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from iota2.kernel_cache import use_own_folder  # noqa: E402

__version__ = "0.1.0"

PUBLIC = {
    "load_config": "iota2.chains.load",
    "run": "iota2.api.runs",
    "open_scene": "iota2.api.scenes",
    "features": "iota2.api.features",
    "user_features": "iota2.api.user_functions",
    "load_model": "iota2.api.models",
}
"""Names of the public interface, and the modules that define them, imported on first use."""


def __getattr__(name: str) -> Any:
    """An object of the public interface. Its module is imported on first use, so that ``import iota2`` is fast."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'iota2' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    """The public interface only."""
    return sorted(["__version__", *PUBLIC])


use_own_folder(Path(__file__).parent)
