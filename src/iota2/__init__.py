"""iota2 makes land-cover maps of large areas from satellite image time series and labelled polygons."""

from iota2.import_path import leave_out_working_folder

leave_out_working_folder()

import os  # noqa: E402 - the working folder must be removed from the import path before any import
import tempfile  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

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


def _ensure_numba_cache() -> None:
    """Set NUMBA_CACHE_DIR to a private temporary folder if neither the installation nor the user's cache is writable.

    Otherwise the import of functions compiled with ``cache=True`` fails.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    places = (Path(__file__).parent, next(folder for folder in (cache, *cache.parents) if folder.exists()))
    if "NUMBA_CACHE_DIR" in os.environ or any(os.access(place, os.W_OK) for place in places):
        return
    folder = Path(tempfile.gettempdir(), f"iota2-compiled-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    seen = folder.lstat()
    ours = folder.is_dir() and not folder.is_symlink() and seen.st_uid == os.getuid() and not seen.st_mode & 0o077
    os.environ["NUMBA_CACHE_DIR"] = str(folder) if ours else tempfile.mkdtemp(prefix="iota2-compiled-")


_ensure_numba_cache()
