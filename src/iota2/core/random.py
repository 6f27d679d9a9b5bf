"""Random generators that depend on (seed, step, key) only, never on a worker or on the order of jobs."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A generator fixed by ``seed`` and ``key`` (step, region, class …); other keys give independent streams."""
    text = "\x1f".join(str(part) for part in key)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng([seed & 0xFFFFFFFF, *words.tolist()])
