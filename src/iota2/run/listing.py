"""What the survey leaves for the jobs: scenes, notes, and fingerprints of the images' files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iota2 import layout
from iota2.core.scene import Scene
from iota2.io.atomic import write_text
from iota2.io.scenes import scene_to_json
from iota2.run.ledger import checksum_of_text, relative
from iota2.run.survey import Survey

CACHE = layout.INPUTS.path
"""Size, time and fingerprint of every image file seen, by path: what has the same size and time is not read again."""
WHOLE = 16 << 20
"""Files up to so many bytes are read whole: on a hard disk that takes about as long as the pieces of a larger one."""
SAMPLES, SAMPLE = 16, 4096
"""Of larger files a fingerprint reads so many pieces of so many bytes, evenly spread, first and last included."""
_THREADS = 8
_CHUNK = 1 << 20


def survey_texts(found: Survey, root: Path) -> dict[Path, str]:
    """The files that the survey leaves in the output folder, with their text; nothing is written yet."""
    cache = _cached(root)
    texts: dict[Path, str] = {}
    for tile, scene in found.scenes.items():
        listing = {path: entry[2] for path, entry in _entries(scene, cache).items()}
        for artifact, content in (
            (layout.SCENE, scene_to_json(scene)),
            (layout.SCAN_NOTES, list(found.notes[tile])),
            (layout.LISTING, listing),
        ):
            texts[root / artifact.path.format(tile=tile)] = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    texts[root / CACHE] = json.dumps(cache, ensure_ascii=False) + "\n"
    return texts


def digests(texts: Mapping[Path, str], root: Path) -> dict[str, str]:
    """Digest of each text by its path in the output folder, as the ledger compares them."""
    return {relative(path, root): checksum_of_text(path, text) for path, text in texts.items()}


def write_survey(texts: Mapping[Path, str]) -> None:
    """Write the texts that are not there yet as they are."""
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def fingerprint(path: str | Path, size: int) -> str:
    """Digest of the size and the bytes of a file; of one larger than ``WHOLE``, of pieces of it, evenly spread: a
    changed image has another one, short of a change that keeps every byte of the pieces."""
    total = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as file:
        if size <= WHOLE:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
        else:
            for k in range(SAMPLES):
                file.seek((size - SAMPLE) * k // (SAMPLES - 1))
                total.update(file.read(SAMPLE))
    return total.hexdigest()


Entry = list[int | str]


def _cached(root: Path) -> dict[str, Entry]:
    try:
        found: dict[str, Entry] = json.loads((root / CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _entries(scene: Scene, cache: dict[str, Entry]) -> dict[str, Entry]:
    """Size, time and fingerprint of each file of the scene; the cache learns what it did not know."""
    paths = list(_files(scene))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = dict(zip(paths, pool.map(lambda path: _entry(path, cache.get(path)), paths), strict=True))
    cache.update(found)
    return found


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
