"""Random generators that depend only on seed, step and key, not on the worker or the order of jobs."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """A generator determined by ``seed`` and ``key`` (step, region, class …). Different keys give independent
    streams."""
    text = "\x1f".join(str(part) for part in key)
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint32)
    return np.random.default_rng([seed & 0xFFFFFFFF, *words.tolist()])
