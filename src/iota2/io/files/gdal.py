"""Settings of GDAL and of thread pools, and opening of rasters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numba
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from threadpoolctl import threadpool_limits

from iota2.core.files import require_regular
from iota2.core.grid import short_crs
from iota2.core.words import counted
from iota2.errors import InputError, remedy_of
from iota2.io.files.addresses import RETRIES, TIMEOUT, is_remote, masked

CACHE_MB = 64
"""Default size of GDAL's block cache, shared by all files a process has open."""

_SIGNATURES = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
}
"""First bytes of the accepted formats, and their GDAL drivers. Both contain their own pixels; a
virtual raster, which can be a text file of any name, could refer to any file or address."""


_OPENING = {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""Sidecar files are neither read nor written, and folders are not listed when a file is opened."""

_FETCHING = {
    "GDAL_HTTP_CONNECTTIMEOUT": str(round(TIMEOUT[0])),
    "GDAL_HTTP_LOW_SPEED_TIME": str(round(TIMEOUT[1])),
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MAX_RETRY": str(RETRIES),
    "GDAL_HTTP_RETRY_DELAY": "1",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}
"""Reading of pixels from web servers. The cache ends when the file is closed, so that changed files are read anew."""


@contextmanager
def gdal_environment(*, threads: int = 1, cache_mb: int = CACHE_MB) -> Iterator[None]:
    """The GDAL environment of a job: a bounded block cache for the process, ``threads`` for compression, no
    sidecar files."""
    with rasterio.Env(**_OPENING, **_FETCHING, GDAL_NUM_THREADS=str(threads), GDAL_CACHEMAX=cache_mb << 20):
        yield


@contextmanager
def without_sidecars() -> Iterator[None]:
    """A GDAL environment without sidecar files; threads and cache are those of the surrounding job."""
    with rasterio.Env(**_OPENING):
        yield


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Limit numba, BLAS and OpenMP to ``count`` threads; the former limits are restored at the end."""
    former = numba.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(max(1, min(count, most)))
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        numba.set_num_threads(former)


def local_path(path: str | Path) -> str:
    """``path`` as an absolute local path; InputError for an address or for one of GDAL's virtual file
    systems."""
    text = os.fspath(path)
    if "://" in text or text.startswith(("/vsi", "\\\\")):
        raise InputError(f"{text}: only files on local disks are read. Download it and give the path of the copy.")
    return os.path.abspath(text)


def open_raster(path: str | Path) -> DatasetReader:
    """The GeoTIFF or JPEG 2000 file at ``path``, opened for reading; InputError that names the
    fault otherwise."""
    local = local_path(path)
    try:
        require_regular(local)
        with open(local, "rb") as file:
            head = file.read(60)
    except OSError as err:
        reason = _ailment(local) or f"{err.strerror}. {remedy_of(err)}"
        raise InputError(f"{local}: cannot be opened: {reason}.") from err
    driver = _driver_of(head)
    if driver is None:
        raise InputError(f"{local}: {_strangeness(head)}. Get it again.")
    try:
        with without_sidecars():
            return rasterio.open(local, driver=driver)
    except RasterioIOError as err:
        raise InputError(f"{local}: is damaged, its header cannot be read. Get it again.") from err


def open_image(path: str | Path) -> DatasetReader:
    """An image of a product, opened like ``open_raster``.

    It may be on a web server: the survey returns such images only if the configuration asks for them.
    """
    if not is_remote(path):
        return open_raster(path)
    address = os.fspath(path)
    drivers = sorted(set(_SIGNATURES.values()), reverse=address.lower().endswith((".jp2", ".j2k")))
    with rasterio.Env(**_OPENING, **_FETCHING):
        for driver in drivers:
            with suppress(RasterioIOError):
                return rasterio.open(f"/vsicurl/{address}", driver=driver)
    from iota2.io.files.remote import remote_state, session  # noqa: PLC0415 - loads requests, which takes long

    with session() as opened:
        look = remote_state(address, opened)
    ailment = _strangeness(look.head) if _driver_of(look.head) is None else "is damaged, its header cannot be read"
    raise InputError(f"{masked(address)}: {ailment}. Download it to see what it is, or ask those who offer it.")


def _driver_of(head: bytes) -> str | None:
    """GDAL's driver of a file, by its first bytes; None for any other format."""
    return next((name for start, name in _SIGNATURES.items() if head.startswith(start)), None)


def raster_grid(source: DatasetReader) -> GeoBox:
    """The grid of an open raster with a CRS."""
    return GeoBox(source.shape, source.transform, short_crs(source.crs.to_wkt()))


def _ailment(path: str) -> str:
    """The reason why a path cannot be opened, if it is a common one."""
    if os.path.islink(path) and not os.path.exists(path):
        return "it is a broken symbolic link"
    return "it is a folder" if os.path.isdir(path) else ""


def _strangeness(head: bytes) -> str:
    """The kind of a file that is no raster, by its first bytes."""
    if not head:
        return "is empty (0 bytes)"
    if head.lstrip()[:1] == b"<":
        return f"is no raster, it holds text: {head.decode('utf-8', 'replace')!r}"
    return "is neither a GeoTIFF nor a JPEG 2000 file"


def header_problems(source: DatasetReader, index: int) -> list[str]:
    """Reasons why band ``index`` of a raster cannot be used: too few bands, no CRS, not north up."""
    return [*lacking_bands(source.count, index), *grid_problems(source)]


def lacking_bands(count: int, index: int) -> list[str]:
    """The problem of a raster with ``count`` bands that lacks band ``index``."""
    return [f"has {counted(count, 'band')}, band {index} is needed"] if count < index else []


def grid_problems(source: DatasetReader) -> list[str]:
    """Reasons why no band of a raster can be used: no CRS, not north up."""
    problems = []
    # GDAL gives JPEG 2000 files without a CRS a local one
    if source.crs is None or not (source.crs.is_projected or source.crs.is_geographic):
        problems.append("has no coordinate system")
    transform = source.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        problems.append(f"is not north up (geotransform {transform.to_gdal()})")
    return problems
