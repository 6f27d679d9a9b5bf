"""Colour ramps of maps, from the lowest to the highest value."""

from __future__ import annotations

CONFIDENCE = ("#8c2d04", "#ec8f3c", "#fbe6a2", "#8fc6a0", "#1b6e5a")
"""Ramp of the confidence."""


VALIDITY = ("#fff3c7", "#9fd2b8", "#3f93a8", "#1f3b70")
"""Ramp of the number of clear dates."""


PROBABILITY = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Ramp of a probability: viridis, legible in print and for readers with colour vision deficiency."""
