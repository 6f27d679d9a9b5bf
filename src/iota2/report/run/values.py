"""Content of the run report as values; texts are untrusted and are escaped by the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

State = Literal["done", "failed", "running", "waiting", "blocked", "fresh"]
"""``blocked``: needs a job that failed. ``fresh``: up to date, so that the job is not executed."""
STATE_TEXTS: Mapping[State, str] = {
    "failed": "failed",
    "done": "done",
    "running": "running",
    "waiting": "waiting",
    "blocked": "blocked by a failed job",
    "fresh": "up to date",
}
"""Text of each state; states that need attention come first."""


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
    """None for a job that covers all tiles."""
    key: str
    """Position on the axes, ``T31TCJ · part 0 · seed 1``; empty for a job without axes."""
    needs: tuple[str, ...] = ()
    state: State = "waiting"
    reason: str = ""
    """Reason why the job is or is not executed."""
    message: str = ""
    """Error message."""
    seconds: float = 0.0
    peak: int = 0
    """Peak memory in MiB: so far for a running job; a lower bound if the worker died; 0 if unknown."""
    started: float = 0.0
    """Unix time in seconds; 0 if the job did not run in this run."""
    worker: str = ""
    page: str = ""
    """Address of the job's page relative to the other pages; empty if it has none."""


@dataclass(frozen=True)
class Hole:
    """Gap in the map, and the failed job that should have mapped it."""

    area: str
    """``Tile T31TCJ, rows 1024 to 2047 of 10980 (part 1)``."""
    job: JobView


@dataclass(frozen=True)
class ResultPage:
    """A page that shows results of the run, such as the accuracy report."""

    path: str
    """Relative to the output folder."""
    about: str
    state: Literal["made", "old", "none"]
    """Whether this run made it (``made``), an earlier run (``old``), or it does not exist."""


@dataclass(frozen=True)
class RunView:
    """State of a run at a given time."""

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
    """Products that this run did not make, each with whether a version of an earlier run exists."""
    pages: tuple[ResultPage, ...] = ()
    """Pages that show the results."""
    products: tuple[tuple[str, str], ...] = ()
    """Products that are up to date, in addition to the pages, with descriptions."""


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
    """Pixels by which the images are displaced to the right and down; reading corrects this. 0 if not moved."""
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
    """Date of a tile with its product or products."""

    day: date
    name: str
    inside: float | None = None
    """Share of the tile that the image covers; None if not known yet."""
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
    """Names and files of the layers; only for a sensor without dates."""

    @property
    def aligned(self) -> bool:
        """Whether the dates are compared with a reference image."""
        return any(product.aligned is not None for product in self.products)

    @property
    def inside(self) -> float | None:
        """Mean share of the tile that images cover; None unless it is known for every date."""
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
class FunctionView:
    """A Python function of the user that computes features."""

    name: str
    reads: tuple[str, ...]
    """Sensors whose series it reads."""
    features: tuple[str, ...]
    """Names of its features."""
    whole_tile: bool = False
    """Whether it is called with whole tiles."""


@dataclass(frozen=True)
class InputsView:
    """Inputs that the survey found."""

    series: tuple[SeriesView, ...]
    sources: tuple[tuple[str, str], ...] = ()
    """Kinds of inputs (products, reference data, regions …) with their paths."""
    remarks: tuple[str, ...] = ()
    features: int = 0
    """Number of features per pixel of all sensors and functions."""
    functions: tuple[FunctionView, ...] = ()
    """Functions of the user, in the order of the features."""


@dataclass(frozen=True)
class OutputView:
    """One kind of file in the output folder."""

    pattern: str
    about: str
    maker: str
    """Name of the step that makes it."""
    files: tuple[tuple[str, bool], ...] = field(default=())
    """Paths relative to the output folder, each with whether the file is up to date."""

    @property
    def made(self) -> int:
        """Number of files that are up to date."""
        return sum(made for _, made in self.files)
