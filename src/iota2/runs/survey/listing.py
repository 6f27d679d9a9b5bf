"""Files in which the survey passes scenes, notes and fingerprints of images to the jobs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iota2 import layout
from iota2.core.files import MAX_TEXT_BYTES, read_bytes, require_regular
from iota2.core.remarks import Remark, remarks_to_plain
from iota2.core.scene import Scene
from iota2.core.words import counted
from iota2.io.files.addresses import is_remote
from iota2.io.files.atomic import write_text
from iota2.io.rasters.map_source import map_source_text
from iota2.io.rasters.map_squares import squares_text
from iota2.io.rasters.raster_source import source_to_plain
from iota2.io.series.scene_file import geobox_to_json, scene_to_json
from iota2.runs.records.stamps import checksum_of_text, relative
from iota2.runs.records.state import StateFile, remove_obstacle, require
from iota2.runs.survey.survey import Survey

CACHE = layout.INPUTS.path
"""Size, time and fingerprint of all known image files by path; files with the same size and time are not read again."""
MAX_WHOLE_BYTES = 16 << 20
"""Maximum size of a file that is read completely; on a hard disk, samples of a larger file take about as long."""
SAMPLE_COUNT, SAMPLE_BYTES = 16, 4096
"""Number and size of samples of larger files, evenly spaced, including the beginning and the end."""
_THREAD_COUNT = 8
_FILES_PER_TASK = 32
_SIZE_ONLY_PREFIX = "size alone"
"""Prefix of the fingerprint of a remote file without ETag and modification time."""
_CHUNK_BYTES = 1 << 20


def survey_texts(found: Survey, root: Path) -> dict[Path, str]:
    """Text of each file of the survey in the output folder; nothing is written yet."""
    cache = INPUTS_FILE.load(root)
    texts: dict[Path, str] = {}
    others = [str(found.alignment)] if found.alignment else []
    files = {tile: [*_files(scene), *others] for tile, scene in found.scenes.items()}
    given = found.map.rasters if found.map is not None else {}
    rasters = [*(raster.source.path for raster in found.rasters), *given.values()]
    entries = _entries([*dict.fromkeys(path for paths in (*files.values(), rasters) for path in paths)], cache)
    for raster in found.rasters:
        plain = source_to_plain(raster.source, str(entries[raster.source.path][2]))
        path = root / layout.RASTER_SOURCE.path.format(raster=raster.name)
        texts[path] = json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    for tile, scene in found.scenes.items():
        listing = {path: entries[path][2] for path in files[tile]}
        for artifact, content in (
            (layout.SCENE, scene_to_json(scene)),
            (layout.SCAN_NOTES, remarks_to_plain((*found.notes[tile], *_size_only_remarks(tile, listing)))),
            (layout.LISTING, listing),
        ):
            texts[root / artifact.path.format(tile=tile)] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    if found.submodels is not None:
        texts[root / layout.SUBMODELS.path] = json.dumps(found.submodels, indent=1, ensure_ascii=False) + "\n"
    if found.strips is not None:
        grid = geobox_to_json(found.strips.grid)
        texts[root / layout.MAP_GRID.path] = json.dumps(grid, indent=1, ensure_ascii=False) + "\n"
    if found.map is not None:
        fingerprints = {path: str(entries[path][2]) for path in given.values()}
        texts[root / layout.MAP_SOURCE.path] = map_source_text(given, fingerprints)
        texts[root / layout.MAP_SQUARES.path] = squares_text(found.map.squares)
    texts[root / CACHE] = json.dumps(cache, ensure_ascii=False) + "\n"
    return texts


def digests(texts: Mapping[Path, str], root: Path) -> dict[str, str]:
    """Digest of each text, by path in the output folder, in the form of records."""
    return {relative(path, root): checksum_of_text(path, text) for path, text in texts.items()}


def write_survey(texts: Mapping[Path, str]) -> None:
    """Write the files whose content differs."""
    for path, text in texts.items():
        if not _contains(path, text):
            remove_obstacle(path)
            write_text(path, text)


def _contains(path: Path, text: str) -> bool:
    try:
        return read_bytes(path, max(MAX_TEXT_BYTES, 2 * len(text))) == text.encode()
    except OSError:
        return False


def fingerprint(path: str | Path, size: int) -> str:
    """Digest of the size and bytes of a file.

    Files larger than ``MAX_WHOLE_BYTES`` are sampled at evenly spaced positions; a change between samples that keeps
    the size is not detected.
    """
    require_regular(path)
    total = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as file:
        if size <= MAX_WHOLE_BYTES:
            while chunk := file.read(_CHUNK_BYTES):
                total.update(chunk)
        else:
            for k in range(SAMPLE_COUNT):
                file.seek((size - SAMPLE_BYTES) * k // (SAMPLE_COUNT - 1))
                total.update(file.read(SAMPLE_BYTES))
    return total.hexdigest()


Entry = list[int | str]


def _parsed_entries(text: str) -> dict[str, Entry]:
    content = json.loads(text)
    require(isinstance(content, dict), "expected an object")
    require(all(map(_is_entry, content.values())), "expected size, time and fingerprint of each file")
    return dict(content)


def _is_entry(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [int, int, str]


INPUTS_FILE: StateFile[dict[str, Entry]] = StateFile(
    CACHE, _parsed_entries, dict, "It is recreated; all images are read for their fingerprints."
)
"""State file of the known images."""


def _entries(paths: Sequence[str], cache: dict[str, Entry]) -> dict[str, Entry]:
    """Size, time and fingerprint of each file; new ones are added to the cache."""
    remote = _remote_entries([path for path in paths if is_remote(path)])

    def look(some: Sequence[str]) -> list[Entry]:
        return [remote.get(path) or _entry(path, cache.get(path)) for path in some]

    # each task of the pool takes many files: handing over single files takes longer than the stat calls
    portions = [paths[start : start + _FILES_PER_TASK] for start in range(0, len(paths), _FILES_PER_TASK)]
    with ThreadPoolExecutor(_THREAD_COUNT) as pool:
        entries = [entry for found in pool.map(look, portions) for entry in found]
    found = dict(zip(paths, entries, strict=True))
    cache.update(found)
    return found


def _remote_entries(addresses: Sequence[str]) -> dict[str, Entry]:
    """Entries of files on web servers, from their size and the ETag or time of the server."""
    if not addresses:
        return {}
    from iota2.io.files.remote import remote_state, session  # noqa: PLC0415 - imports requests, which is slow

    with session() as opened, ThreadPoolExecutor(_THREAD_COUNT) as pool:
        looks = list(pool.map(lambda address: remote_state(address, opened), addresses))
    return {address: _remote_entry(look.size, look.stamp) for address, look in zip(addresses, looks, strict=True)}


def _remote_entry(size: int, stamp: str) -> Entry:
    digest = hashlib.blake2b(f"{size}\0{stamp}".encode(), digest_size=16).hexdigest()
    return [size, 0, digest if stamp else f"{_SIZE_ONLY_PREFIX} {size}"]


def _size_only_remarks(tile: str, listing: Mapping[str, int | str]) -> tuple[Remark, ...]:
    """A remark on files of which only changes of the size are detected."""
    paths = [path for path, fingerprint in listing.items() if str(fingerprint).startswith(_SIZE_ONLY_PREFIX)]
    limit = "the server provides neither ETag nor Last-Modified, so only changes of the size are detected"
    text = f"{counted(len(paths), 'file')} (first: {paths[0]}): {limit}" if paths else ""
    return (Remark(text, "images", tile),) if text else ()


def _entry(path: str, known: Entry | None) -> Entry:
    stat = os.stat(path)
    if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns]:
        return known
    return [stat.st_size, stat.st_mtime_ns, fingerprint(path, stat.st_size)]


def _files(scene: Scene) -> Iterator[str]:
    for sensor in scene.sensors:
        for acquisition in sensor.acquisitions:
            yield from acquisition.bands.values()
            yield from acquisition.masks.values()
