"""What the run report shows, as values. Nothing in it is trusted: every text is escaped where it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

State = Literal["done", "failed", "running", "waiting", "blocked", "fresh"]
"""``blocked``: needs a job that failed. ``fresh``: was not needed, what an earlier run made stands."""
WORDS: Mapping[State, str] = {
    "failed": "failed",
    "done": "done",
    "running": "under way",
    "waiting": "waiting",
    "blocked": "blocked by a failed job",
    "fresh": "up to date",
}
"""Every state with its words, in the order of attention."""


@dataclass(frozen=True)
class StepView:
    """A step of the chain."""

    name: str
    group: str
    about: str


@dataclass(frozen=True)
class JobView:
    """A job and what is known of it."""

    id: str
    step: str
    task: str
    tile: str | None
    """None for a job over all tiles."""
    key: str
    """Its place on the axes, ``T31TCJ · part 0 · seed 1``; empty when it has none."""
    needs: tuple[str, ...] = ()
    state: State = "waiting"
    reason: str = ""
    """Why it runs, or why not."""
    message: str = ""
    """What went wrong."""
    seconds: float = 0.0
    peak: int = 0
    """MiB; so far, of a job under way; at least, of one whose worker died; 0 when unknown."""
    started: float = 0.0
    """Seconds since 1970; 0 when it did not run in this run."""
    worker: str = ""
    page: str = ""
    """Address of its page relative to the site; empty when it has none."""


@dataclass(frozen=True)
class Hole:
    """Ground that the run could not map, and the job that should have."""

    ground: str
    """``Tile T31TCJ, rows 1024 to 2047 of 10980 (part 1)``."""
    job: JobView


@dataclass(frozen=True)
class RunView:
    """A run at one instant."""

    title: str
    root: str
    state: Literal["running", "done", "failed", "stopped"]
    started: float
    now: float
    steps: tuple[StepView, ...]
    jobs: tuple[JobView, ...]
    """In an order that respects their needs."""
    resume: str = ""
    """The command that goes on."""
    notes: tuple[str, ...] = ()
    holes: tuple[Hole, ...] = ()
    unmade: tuple[tuple[str, bool], ...] = ()
    """Products that this run should have made and did not, each with whether one of an earlier run is there."""
    report: Literal["made", "old", "none"] = "none"
    """Whether the report of the results is of this run, of an earlier one, or not there."""


@dataclass(frozen=True)
class JobLog:
    """What the page of a job shows beside the job: its files and its log."""

    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    out: str = ""
    err: str = ""
    out_path: str = ""
    """Relative to the output folder."""
    err_path: str = ""


@dataclass(frozen=True)
class SettingView:
    """An option of the configuration, values as one writes them."""

    section: str
    key: str
    value: str
    default: str
    """Empty for a mandatory option."""
    former: str | None = None
    """Value of the run before; None when there was none, or when it had no such option."""
    about: str = ""

    @property
    def differs(self) -> bool:
        """Whether it is not the default."""
        return self.value != self.default

    @property
    def changed(self) -> bool:
        """Whether it is not as in the run before."""
        return self.former is not None and self.former != self.value


@dataclass(frozen=True)
class AlignedView:
    """How a date lies to the reference image, and how sure that is."""

    right: float
    down: float
    """Pixels by which its images lie too far right and down; they are read where they should be. Both 0 of a date that
    is read as it lies."""
    windows: int
    """Windows that show the same edges as the reference."""
    compared: int
    """Windows that are clear in both images."""
    spread: float
    """Pixels by which half of the windows differ from the others, or more; NaN when there is no measure."""
    before: float
    """Correlation of the edges with those of the reference as the images lie; NaN when there is no measure."""
    after: float
    """The same once they are moved."""
    about: str = ""
    known: bool = True
    """Whether it is known how they lie."""


@dataclass(frozen=True)
class ProductView:
    """One date of a tile: its product, or the several of its day."""

    day: date
    name: str
    inside: float | None = None
    """Part of the tile that its image shows; None while it is not known."""
    clear: float | None = None
    """Part of that which no mask covers; None while it is not known, and when the image shows nothing."""
    aligned: AlignedView | None = None
    """None while it is not known, and without a reference image."""


@dataclass(frozen=True)
class SeriesView:
    """The dates of one sensor on one tile."""

    sensor: str
    tile: str
    size: str
    """Of the working lattice: ``10980 × 10980 pixels of 10 m``."""
    products: tuple[ProductView, ...]
    notes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    images: str = ""
    """Pixels and projection of the files: ``10 and 20 m, EPSG:32631``."""
    features: int = 0
    """Features per pixel that are made of the series."""
    layers: tuple[tuple[str, str], ...] = ()
    """Names and files of a sensor without dates, which has no products."""

    @property
    def aligned(self) -> bool:
        """Whether its dates are compared with a reference image."""
        return any(product.aligned is not None for product in self.products)

    @property
    def inside(self) -> float | None:
        """Part of the tile that an image shows, on average; None while it is not known of each."""
        parts = [product.inside for product in self.products if product.inside is not None]
        return sum(parts) / len(parts) if parts and len(parts) == len(self.products) else None

    @property
    def clear(self) -> float | None:
        """Clear part of all that its images show; None while it is not known, and when they show nothing."""
        if not self.inside:
            return None
        clear = sum((product.inside or 0.0) * (product.clear or 0.0) for product in self.products)
        return clear / (self.inside * len(self.products))


@dataclass(frozen=True)
class InputsView:
    """What the survey found."""

    series: tuple[SeriesView, ...]
    sources: tuple[tuple[str, str], ...] = ()
    """What it is, and where it was read: products, reference data, regions."""
    remarks: tuple[str, ...] = ()
    features: int = 0


@dataclass(frozen=True)
class OutputView:
    """One kind of file in the output tree."""

    pattern: str
    about: str
    maker: str
    files: tuple[tuple[str, bool], ...] = field(default=())
    """Paths relative to the output folder, each with whether it is made."""

    @property
    def made(self) -> int:
        """How many are made."""
        return sum(made for _, made in self.files)
