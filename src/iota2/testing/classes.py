"""Land-cover classes of the synthetic world: codes, names, colours, spectra and seasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")

# Reflectance x 10000 of the ten bands, approximately that of these surfaces in Sentinel-2 images of south-west France.
SOIL = (900, 1150, 1450, 1700, 1900, 2050, 2200, 2350, 2900, 2500)
DRY_GRASS = (650, 900, 1150, 1500, 1900, 2100, 2250, 2450, 2900, 2100)
LITTER = (450, 600, 750, 950, 1250, 1400, 1500, 1650, 2000, 1450)
DARK_LITTER = (300, 400, 420, 600, 900, 1000, 1100, 1200, 1300, 850)
CROP = (250, 550, 280, 900, 3100, 3900, 4100, 4300, 1900, 950)
MAIZE = (300, 600, 350, 950, 2700, 3400, 3600, 3800, 1900, 950)
GRASS = (350, 700, 450, 1100, 2700, 3300, 3500, 3700, 2200, 1200)
LEAVES = (200, 450, 230, 750, 2500, 3200, 3350, 3550, 1600, 750)
NEEDLES = (180, 350, 210, 600, 1700, 2100, 2200, 2350, 1000, 480)
ROOFS = (1200, 1350, 1500, 1650, 1750, 1850, 1950, 2050, 2250, 2150)
WATER = (480, 480, 330, 280, 220, 200, 180, 160, 90, 60)


@dataclass(frozen=True)
class LandClass:
    """One class; its reflectance is a mixture of ``bare`` and ``green`` with a seasonal green share."""

    code: int
    name: str
    color: tuple[int, int, int]
    weight: float
    """Relative frequency."""
    bare: tuple[int, ...]
    green: tuple[int, ...]
    base: float
    """Green share outside the seasons."""
    seasons: tuple[tuple[float, float, float], ...]
    """Additions to ``base``, one per season: (day of the year of the peak, width in days, height)."""

    def greenness(self, doy: np.ndarray) -> np.ndarray:
        """Green share at days of the year (any shape); the year is periodic."""
        share = np.full(np.shape(doy), self.base)
        for peak, width, height in self.seasons:
            distance = (doy - peak + 182.5) % 365.0 - 182.5
            share += height * np.exp(-((distance / width) ** 2))
        return share


CLASSES = (
    LandClass(11, "cultures d'été", (255, 170, 0), 0.18, SOIL, MAIZE, 0.06, ((208, 42, 0.85),)),
    LandClass(12, "cultures d'hiver", (255, 255, 90), 0.18, SOIL, CROP, 0.06, ((118, 46, 0.85),)),
    LandClass(31, "forêt de feuillus", (20, 140, 20), 0.14, LITTER, LEAVES, 0.12, ((190, 72, 0.80),)),
    LandClass(32, "forêt de conifères", (0, 75, 45), 0.12, DARK_LITTER, NEEDLES, 0.72, ((190, 90, 0.15),)),
    LandClass(41, "bâti", (200, 40, 70), 0.09, ROOFS, GRASS, 0.14, ((160, 80, 0.12),)),
    LandClass(51, "eau", (40, 110, 220), 0.08, WATER, LEAVES, 0.02, ()),
    LandClass(211, "prairie", (150, 220, 110), 0.18, SOIL, GRASS, 0.45, ((130, 48, 0.38), (295, 36, 0.20))),
    LandClass(222, "vignes", (150, 90, 200), 0.10, SOIL, LEAVES, 0.10, ((205, 55, 0.38),)),
    LandClass(34, "pelouses sèches", (200, 200, 150), 0.08, DRY_GRASS, GRASS, 0.15, ((125, 42, 0.40),)),
    LandClass(221, "vergers", (220, 140, 150), 0.08, DRY_GRASS, LEAVES, 0.22, ((185, 70, 0.45),)),
)
"""All classes; a world with n classes uses the first n."""
