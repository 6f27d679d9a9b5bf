"""Colour ramps of maps, from the lowest to the highest value."""

from __future__ import annotations

CONFIDENCE = ("#8c2d04", "#ec8f3c", "#fbe6a2", "#8fc6a0", "#1b6e5a")
"""Ramp of the confidence."""


VALIDITY = ("#fff3c7", "#9fd2b8", "#3f93a8", "#1f3b70")
"""Ramp of the number of clear dates."""


PROBABILITY = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Ramp of a probability: viridis, legible in print and for readers with colour vision deficiency."""


VEGETATION = ("#7f4a1e", "#cf9f5b", "#f4e9b8", "#9ccb5f", "#3f9b3a", "#0b5220")
"""Ramp of a vegetation index."""


DIFFERENCE = ("#8c510a", "#d8b365", "#f5f5f5", "#5ab4ac", "#01665e")
"""Ramp of a difference, light at 0, for readers with colour vision deficiency."""


WIDTH = ("#f7fbff", "#9ecae1", "#4292c6", "#08519c", "#08306b")
"""Ramp of the width of intervals: the darker, the less certain."""
