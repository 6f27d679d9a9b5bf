"""Content of the run report as values; texts are untrusted, templates escape them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

State = Literal["done", "failed", "running", "waiting", "blocked", "fresh"]
"""``blocked``: needs a job that failed. ``fresh``: not needed, existing outputs are valid."""
WORDS: Mapping[State, str] = {
    "failed": "failed",
    "done": "done",
    "running": "under way",
    "waiting": "waiting",
    "blocked": "blocked by a failed job",
    "fresh": "up to date",
}
"""Text of each state, in the order of attention."""


@dataclass(frozen=True)
class StepView:
    """Step of the chain."""

    name: str
    group: str
    about: str


@dataclass(frozen=True)
class JobView:
    """Job with its state."""

    id: str
    step: str
    task: str
    tile: str | None
    """None for a job over all tiles."""
    key: str
    """Position on the axes, ``T31TCJ · part 0 · seed 1``; empty for a job without axes."""
    needs: tuple[str, ...] = ()
    state: State = "waiting"
    reason: str = ""
    """Why the job runs or does not run."""
    message: str = ""
    """Error message."""
    seconds: float = 0.0
    peak: int = 0
    """Peak memory in MiB: so far for a running job; a lower bound if its worker died; 0 if unknown."""
    started: float = 0.0
    """Unix time in seconds; 0 if the job did not run in this run."""
    worker: str = ""
    page: str = ""
    """Address of the job's page relative to the site; empty if it has none."""


@dataclass(frozen=True)
class Hole:
    """Area that the run could not map, and the job that failed to map it."""

    area: str
    """``Tile T31TCJ, rows 1024 to 2047 of 10980 (part 1)``."""
    job: JobView


@dataclass(frozen=True)
class RunView:
    """State of a run at one instant."""

    title: str
    root: str
    state: Literal["running", "done", "failed", "stopped"]
    started: float
    now: float
    steps: tuple[StepView, ...]
    jobs: tuple[JobView, ...]
    """Jobs, each after the jobs it needs."""
    resume: str = ""
    """Command that resumes the run."""
    notes: tuple[str, ...] = ()
    holes: tuple[Hole, ...] = ()
    unmade: tuple[tuple[str, bool], ...] = ()
    """Products that this run failed to make, each with whether one of an earlier run exists."""
    report: Literal["made", "old", "none"] = "none"
    """Whether the results report was made by this run, by an earlier run, or does not exist."""


@dataclass(frozen=True)
class JobLog:
    """Files and log of a job."""

    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    out: str = ""
    err: str = ""
    out_path: str = ""
    """Path relative to the output folder."""
    err_path: str = ""


@dataclass(frozen=True)
class SettingView:
    """Option of the configuration, with values in the notation of configuration files."""

    section: str
    key: str
    value: str
    default: str
    """Default value; empty for a mandatory option."""
    former: str | None = None
    """Value in the previous run; None if there was none or it had no such option."""
    about: str = ""

    @property
    def differs(self) -> bool:
        """Whether the value differs from the default."""
        return self.value != self.default

    @property
    def changed(self) -> bool:
        """Whether the value differs from the previous run."""
        return self.former is not None and self.former != self.value


@dataclass(frozen=True)
class AlignedView:
    """Displacement of a date relative to the reference image, with quality measures."""

    right: float
    down: float
    """Pixels by which its images lie too far right and down; reading corrects them. Both 0 if the date is not moved."""
    windows: int
    """Number of windows that show the same edges as the reference image."""
    compared: int
    """Number of windows that are clear in both images."""
    spread: float
    """Median deviation of the windows in pixels; NaN if it is unknown."""
    before: float
    """Correlation of the edges with those of the reference image before the correction; NaN if it is unknown."""
    after: float
    """Correlation of the edges after the correction; NaN if it is unknown."""
    about: str = ""
    known: bool = True
    """Whether the displacement is known."""


@dataclass(frozen=True)
class ProductView:
    """Date of a tile with its product, or its several products of one day."""

    day: date
    name: str
    inside: float | None = None
    """Part of the tile that the image covers; None if not known yet."""
    clear: float | None = None
    """Share of the covered part without mask; None if not known yet, or if the image covers nothing."""
    aligned: AlignedView | None = None
    """Alignment; None if not known yet, or without a reference image."""


@dataclass(frozen=True)
class SeriesView:
    """Dates of one sensor on one tile."""

    sensor: str
    tile: str
    size: str
    """Size of the working grid: ``10980 × 10980 pixels of 10 m``."""
    products: tuple[ProductView, ...]
    notes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    images: str = ""
    """Pixel sizes and projection of the files: ``10 and 20 m, EPSG:32631``."""
    features: int = 0
    """Number of features per pixel computed from the series."""
    layers: tuple[tuple[str, str], ...] = ()
    """Names and files of the layers of a sensor without dates."""

    @property
    def aligned(self) -> bool:
        """Whether the dates are compared with a reference image."""
        return any(product.aligned is not None for product in self.products)

    @property
    def inside(self) -> float | None:
        """Mean part of the tile that images cover; None unless it is known for each image."""
        parts = [product.inside for product in self.products if product.inside is not None]
        return sum(parts) / len(parts) if parts and len(parts) == len(self.products) else None

    @property
    def clear(self) -> float | None:
        """Clear share of all covered pixels; None if not known, or if the images cover nothing."""
        if not self.inside:
            return None
        clear = sum((product.inside or 0.0) * (product.clear or 0.0) for product in self.products)
        return clear / (self.inside * len(self.products))


@dataclass(frozen=True)
class InputsView:
    """Inputs that the survey found."""

    series: tuple[SeriesView, ...]
    sources: tuple[tuple[str, str], ...] = ()
    """Kind of input and where it was read: products, reference data, regions."""
    remarks: tuple[str, ...] = ()
    features: int = 0


@dataclass(frozen=True)
class OutputView:
    """One kind of file in the output tree."""

    pattern: str
    about: str
    maker: str
    files: tuple[tuple[str, bool], ...] = field(default=())
    """Paths relative to the output folder, each with whether the file is made."""

    @property
    def made(self) -> int:
        """Number of files that are made."""
        return sum(made for _, made in self.files)
