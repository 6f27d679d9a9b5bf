"""Settings of GDAL and of thread pools, and opening of rasters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numba
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from threadpoolctl import ThreadpoolController

from iota2.core.files import require_regular
from iota2.core.grid import short_crs
from iota2.core.words import counted
from iota2.errors import InputError, remedy_of
from iota2.io.files.addresses import MAX_RETRIES, TIMEOUT_SECONDS, is_remote, without_secrets

DEFAULT_CACHE_MB = 64
"""Default size of GDAL's block cache in MB, shared by all open files of a process."""

_SIGNATURES = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
}
"""First bytes of the accepted formats, and their GDAL drivers. Both formats contain their pixels.

A virtual raster is not accepted: it may be a text file of any name and refer to any file or address.
"""

_OPEN_OPTIONS = {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""GDAL options: sidecar files are neither read nor written; folders are not listed when a file is opened."""

_HTTP_OPTIONS = {
    "GDAL_HTTP_CONNECTTIMEOUT": str(round(TIMEOUT_SECONDS[0])),
    "GDAL_HTTP_LOW_SPEED_TIME": str(round(TIMEOUT_SECONDS[1])),
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MAX_RETRY": str(MAX_RETRIES),
    "GDAL_HTTP_RETRY_DELAY": "1",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}
"""GDAL options for reading pixels from web servers.

The HTTP cache is dropped when the file is closed: a changed file is read anew.
"""


@contextmanager
def gdal_environment(*, threads: int = 1, cache_mb: int = DEFAULT_CACHE_MB) -> Iterator[None]:
    """The GDAL environment of a job: a block cache of ``cache_mb`` MB for the process, ``threads`` for compression, and
    no sidecar files."""
    with rasterio.Env(**_OPEN_OPTIONS, **_HTTP_OPTIONS, GDAL_NUM_THREADS=str(threads), GDAL_CACHEMAX=cache_mb << 20):
        yield


@contextmanager
def without_sidecars() -> Iterator[None]:
    """A GDAL environment without sidecar files; threads and cache of the surrounding environment remain."""
    with rasterio.Env(**_OPEN_OPTIONS):
        yield


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Limit numba, BLAS and OpenMP to ``count`` threads; the previous limits are restored at the end."""
    former = numba.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(max(1, min(count, most)))
    try:
        with _thread_pools(len(sys.modules)).limit(limits=count):
            yield
    finally:
        numba.set_num_threads(former)


@lru_cache(maxsize=1)
def _thread_pools(modules: int) -> ThreadpoolController:
    """Thread pools of the loaded libraries; the search takes milliseconds, and is repeated after further imports."""
    return ThreadpoolController()


def local_path(path: str | Path) -> str:
    """``path`` as an absolute local path; InputError for an address or a path of GDAL's virtual file systems."""
    text = os.fspath(path)
    if "://" in text or text.startswith(("/vsi", "\\\\")):
        raise InputError(f"{text}: is not a local path. Download the file and use the path of the copy.")
    return os.path.abspath(text)


def open_raster(path: str | Path) -> DatasetReader:
    """The local GeoTIFF or JPEG 2000 file at ``path``, opened for reading; InputError when it cannot be opened."""
    local = local_path(path)
    try:
        require_regular(local)
        with open(local, "rb") as file:
            head = file.read(60)
    except OSError as err:
        reason = _why_not_opened(local) or f"{err.strerror}. {remedy_of(err)}"
        raise InputError(f"{local}: cannot be opened: {reason}.") from err
    driver = _driver_of(head)
    if driver is None:
        raise InputError(f"{local}: {_why_not_raster(head)}. Download or copy it again.")
    try:
        with without_sidecars():
            return rasterio.open(local, driver=driver)
    except RasterioIOError as err:
        raise InputError(f"{local}: is damaged, its header cannot be read. Download or copy it again.") from err


def open_image(path: str | Path) -> DatasetReader:
    """The image of a product, opened for reading: a local file, see ``open_raster``, or a file on a web server.

    The scan of the inputs returns addresses only if the configuration allows them.
    """
    if not is_remote(path):
        return open_raster(path)
    address = os.fspath(path)
    drivers = sorted(set(_SIGNATURES.values()), reverse=address.lower().endswith((".jp2", ".j2k")))
    with rasterio.Env(**_OPEN_OPTIONS, **_HTTP_OPTIONS):
        for driver in drivers:
            with suppress(RasterioIOError):
                return rasterio.open(f"/vsicurl/{address}", driver=driver)
    from iota2.io.files.remote import remote_state, session  # noqa: PLC0415 - loads requests, which takes long

    with session() as client:
        head = remote_state(address, client).head
    reason = _why_not_raster(head) if _driver_of(head) is None else "is damaged, its header cannot be read"
    raise InputError(
        f"{without_secrets(address)}: {reason}. Download the file to inspect it, or contact the data provider."
    )


def is_raster(path: str | Path) -> bool:
    """Whether a file is a GeoTIFF or JPEG 2000 file, from its first bytes; False for a file that cannot be read."""
    try:
        require_regular(path)
        with open(path, "rb") as file:
            return _driver_of(file.read(60)) is not None
    except OSError:
        return False


def _driver_of(head: bytes) -> str | None:
    """The GDAL driver of a file, from its first bytes; None for other formats."""
    return next((name for start, name in _SIGNATURES.items() if head.startswith(start)), None)


def reason_of(error: RasterioError) -> str:
    """The message of GDAL that caused an error of rasterio, without a full stop."""
    return str(error.__cause__ or error).rstrip(".")


def raster_grid(source: DatasetReader) -> GeoBox:
    """The grid of an open raster, which must have a CRS."""
    return GeoBox(source.shape, source.transform, short_crs(source.crs.to_wkt()))


def _why_not_opened(path: str) -> str:
    """The reason why a path cannot be opened: a broken link or a folder; empty for other reasons."""
    if os.path.islink(path) and not os.path.exists(path):
        return "it is a broken symbolic link"
    return "it is a folder" if os.path.isdir(path) else ""


def _why_not_raster(head: bytes) -> str:
    """The reason why a file is not an accepted raster, from its first bytes."""
    if not head:
        return "is empty (0 bytes)"
    if head.lstrip()[:1] == b"<":
        return f"is not a raster but text: {head.decode('utf-8', 'replace')!r}"
    return "is neither a GeoTIFF nor a JPEG 2000 file"


def header_problems(source: DatasetReader, index: int) -> list[str]:
    """Reasons why band ``index`` of a raster cannot be used: too few bands, no CRS, not north up."""
    return [*band_count_problems(source.count, index), *grid_problems(source)]


def band_count_problems(count: int, index: int) -> list[str]:
    """The problem that a raster with ``count`` bands has no band ``index``; empty when it has that band."""
    return [f"has {counted(count, 'band')}, band {index} is needed"] if count < index else []


def grid_problems(source: DatasetReader) -> list[str]:
    """Reasons why a raster cannot be used at all: no CRS, not north up."""
    problems = []
    # GDAL reports a local CRS for JPEG 2000 files without a CRS
    if source.crs is None or not (source.crs.is_projected or source.crs.is_geographic):
        problems.append("has no coordinate system")
    transform = source.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        problems.append(f"is not north up (geotransform {transform.to_gdal()})")
    return problems


def alpha_bands(source: DatasetReader) -> tuple[int, ...]:
    """Numbers of the bands that are marked as transparency of the others, from 1; empty if there are no others."""
    found = tuple(band for band, kind in enumerate(source.colorinterp, start=1) if kind == ColorInterp.alpha)
    return found if len(found) < source.count else ()


def has_mask(source: DatasetReader) -> bool:
    """Whether a mask, other than a band of transparency, marks pixels without data."""
    flags = source.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
