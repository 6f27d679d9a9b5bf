"""Colours of what maps show: from the lowest to the highest value."""

from __future__ import annotations

CONFIDENCE = ("#8c2d04", "#ec8f3c", "#fbe6a2", "#8fc6a0", "#1b6e5a")
"""Colours of a confidence from the lowest to the highest."""


VALIDITY = ("#fff3c7", "#9fd2b8", "#3f93a8", "#1f3b70")
"""Colours of a number of clear dates, likewise."""


PROBABILITY = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Of a probability: viridis, that is read without colour vision and in print too."""
