"""Rows of synthetic runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def rows_of(
    tiles: Mapping[str, tuple[int, Iterable[str]]], sensors: Sequence[str], runs: int
) -> list[dict[str, str | int]]:
    """The rows of a run, from the number of parts and the regions of each tile, the sensors and the number of seeds."""
    return [
        {"tile": tile, "part": part, "sensor": sensor, "region": region, "seed": seed}
        for tile, (parts, regions) in tiles.items()
        for part in range(parts)
        for sensor in sensors
        for region in regions
        for seed in range(runs)
    ]
