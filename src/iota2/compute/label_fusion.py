"""Fusion of the labels, confidences and probabilities of several classifications of the same pixels.

Sources are classifications: sub-models of a region, optical and radar models, or runs. The label 0 means that a source
has no label in the pixel; it does not vote. All functions work pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from iota2.compute.accuracy import scores
from iota2.compute.predict import Prediction
from iota2.core.nomenclature import MAX_CODE
from iota2.core.tables import Confusion

Measure = Literal["precision", "recall", "accuracy", "kappa"]
"""Accuracy measure that is used as the mass of a source."""
UndecidedRule = Literal["maxConfidence", "learningPriority"]
"""Choice of a source for undecided pixels: the most confident one, or the first one."""
NONE, BOTH, SAR, OPTICAL, NEITHER = 0, 1, 2, 3, 4
"""Values of ``SensorFusion.choice``."""
TIE = 1e-9
"""Difference of the logarithms of products of ``1 - mass`` up to which two classes have equal belief. It exceeds
the rounding errors of the sums, so that masses such as 0.1 and 0.6 for one class, and 0.2 and 0.55 for another, tie."""


@dataclass(frozen=True, eq=False)
class SensorFusion:
    """Fusion of an optical and a radar classification."""

    prediction: Prediction
    """Labels, and confidence and probabilities of the chosen source; 0 in pixels without a label."""
    choice: np.ndarray
    """(y, x) uint8: 0 no label; 1 both sources have the label, 2 the radar source, 3 the optical source, 4 neither."""


def majority_vote(labels: np.ndarray, *, undecided: int = 0) -> np.ndarray:
    """The label (y, x) uint16 with the most votes of ``labels`` (source, y, x), unsigned integers of 8 or 16 bits.

    Pixels whose most frequent labels have equal numbers of votes are ``undecided``; pixels without a vote are 0.
    """
    votes = _votes(labels)
    fused = np.zeros(votes.shape[1], np.uint16)
    _most_votes(votes, _checked(undecided), fused)
    return fused.reshape(labels.shape[1:])


def dempster_shafer(labels: np.ndarray, masses: np.ndarray, codes: Sequence[int], *, undecided: int = 0) -> np.ndarray:
    """The label (y, x) uint16 of maximum belief by Dempster's rule (Shafer 1976; Xu, Krzyzak & Suen 1992).

    ``labels`` is (source, y, x), unsigned integers of 8 or 16 bits. ``masses`` (source, class) float64 in 0..1 are
    the belief of a source in its label, by ascending ``codes``; the rest of its belief is ignorance. A pixel is
    ``undecided`` if several labels have the maximum belief, if sources with mass 1 contradict each other (total
    conflict), or if all its masses are 0. Pixels without a vote are 0. ``ValueError`` for labels that are not in
    ``codes``, and for masses of another shape or outside 0..1.

    With a_c the product of ``1 - mass`` of the sources that vote for class c, the belief in c is proportional to
    (1 - a_c) / a_c. Thus the label of maximum belief has the smallest a_c. Logarithms of a_c are added in ascending
    order of the masses, so the result does not depend on the order of the sources. Differences up to ``TIE`` are ties.
    """
    votes, given = _votes(labels), np.asarray(masses, np.float64)
    ordered = np.asarray(codes, np.int64)
    if given.shape != (len(votes), len(ordered)) or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"masses {given.shape}; expected ({len(votes)}, {len(ordered)}) numbers from 0 to 1")
    if (np.diff(ordered, prepend=0) <= 0).any():
        raise ValueError(f"codes {ordered.tolist()}; expected ascending numbers from 1")
    place = np.full(MAX_CODE + 1, -1, np.int64)
    place[ordered] = np.arange(len(ordered))
    with np.errstate(divide="ignore"):
        doubts = np.ascontiguousarray(np.log1p(-given).T)
    ranks = np.ascontiguousarray(np.argsort(-doubts, axis=1, kind="stable"))
    fused = np.zeros(votes.shape[1], np.uint16)
    if unknown := _most_belief(votes, (doubts, ranks, place), _checked(undecided), fused):
        raise ValueError(f"label {unknown} is not one of the codes {ordered.tolist()}")
    return fused.reshape(labels.shape[1:])


def label_masses(
    matrix: Confusion, measure: Measure, codes: Sequence[int] | None = None, *, unmeasured: bool = False
) -> np.ndarray:
    """The mass (class,) float64 in 0..1 of a source in each class, from its confusion matrix.

    ``precision`` and ``recall`` are those of the class; ``accuracy`` and ``kappa`` are the same for all classes.
    Classes are those of the matrix, or ``codes``. Undefined and negative values are 0, and so are classes that are not
    in the matrix. With ``unmeasured``, a class without reference pixels has the overall accuracy as its mass, because
    its own accuracy is unknown.
    """
    found = scores(matrix)
    by_class = {
        "precision": found.precision,
        "recall": found.recall,
        "accuracy": np.full(len(matrix.labels), found.overall_accuracy),
        "kappa": np.full(len(matrix.labels), found.kappa),
    }[measure]
    if unmeasured:
        by_class = np.where(matrix.counts.sum(axis=1) > 0, by_class, found.overall_accuracy)
    known = dict(zip(matrix.labels, np.nan_to_num(np.maximum(by_class, 0.0), nan=0.0).tolist(), strict=True))
    return np.array([known.get(code, 0.0) for code in (matrix.labels if codes is None else codes)], np.float64)


def resolve_undecided(
    fused: np.ndarray, labels: np.ndarray, confidence: np.ndarray, rule: UndecidedRule, *, undecided: int = 0
) -> np.ndarray:
    """The labels (y, x) uint16 of a fusion, with labels of single sources where ``fused`` is ``undecided``.

    ``labels`` and ``confidence`` are (source, y, x). ``maxConfidence`` takes the source with the greatest confidence
    among those with a label, the first one if several are equal; ``learningPriority`` takes the first source with a
    label. Without any label, the pixel is 0.
    """
    if not len(labels):
        return np.where(fused == undecided, 0, fused).astype(np.uint16)
    voted = labels != 0
    rank = np.where(voted, confidence if rule == "maxConfidence" else 0.0, -np.inf)
    chosen = np.take_along_axis(labels, rank.argmax(axis=0)[None], axis=0)[0]
    return np.where(fused == undecided, chosen, fused).astype(np.uint16)


def vote_confidence(fused: np.ndarray, labels: np.ndarray, confidence: np.ndarray, *, undecided: int = 0) -> np.ndarray:
    """Confidence (y, x) float32 in 0..1 of the ``fused`` labels: the mean of a number for each source.

    The number is the source's confidence if it has the fused label, 1 - confidence if it has another one, and 0 if it
    has none. ``labels`` and ``confidence`` are (source, y, x). Pixels without a fused label, or ``undecided``, are 0.
    """
    total = np.zeros(fused.shape, np.float64)
    for label, share in zip(labels, confidence, strict=True):
        total += np.where(label == fused, share, np.where(label != 0, 1.0 - share, 0.0))
    decided = (fused != 0) & (fused != undecided)
    return np.where(decided, total / max(len(labels), 1), 0.0).astype(np.float32)


def mean_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Mean probabilities (class, y, x) float32 over the sources with a label; 0 in pixels without any label.

    ``labels`` is (source, y, x), ``probabilities`` (source, class, y, x), for all sources in the same order of classes.
    """
    total = np.zeros(probabilities.shape[1:], np.float64)
    for label, shares in zip(labels, probabilities, strict=True):
        total += np.where(label != 0, shares, 0.0)
    return (total / np.maximum((labels != 0).sum(axis=0), 1)).astype(np.float32)


def undecided_problem(undecided: int, codes: Sequence[int]) -> str:
    """The problem of a label of undecided pixels that is the code of a class; empty if it is not."""
    if undecided not in codes:
        return ""
    free = next(code for code in (*range(255, 0, -1), *range(256, MAX_CODE + 1)) if code not in codes)
    return f"{undecided} is the code of a class; give a number that is not one, such as {free}"


def highest_mean(
    maps: Iterable[np.ndarray], codes: Sequence[int], *, scale: int, missing: int
) -> tuple[np.ndarray, np.ndarray]:
    """Label (y, x) uint16 of the highest mean probability of several maps, and that mean (y, x) float64 in 0..1.

    Each map is (class, y, x) uint16: probabilities times ``scale``, by ascending ``codes``; pixels of the value
    ``missing`` do not count. Of equal means, the label is the smallest code. Both results are 0 in pixels that are
    missing in all maps, and without maps. Sums are integers, so the order of the maps does not matter.
    """
    totals, counts = np.zeros((len(codes), 1, 1), np.int64), np.zeros((1, 1), np.int64)
    for shares in maps:
        known = shares[0] != missing
        totals = totals + np.where(known, shares, 0)
        counts = counts + known
    labels = np.where(counts > 0, np.asarray(codes, np.uint16)[totals.argmax(axis=0)], 0).astype(np.uint16)
    return labels, totals.max(axis=0) / (scale * np.maximum(counts, 1))


def fuse_sensors(
    optical: Prediction, sar: Prediction, optical_masses: np.ndarray, sar_masses: np.ndarray, codes: Sequence[int]
) -> SensorFusion:
    """Fusion of an optical and a radar prediction by ``dempster_shafer``, with masses (class,) of each by ``codes``.

    For two sources: where both have the same label, that label; where labels differ, the one with the greater mass;
    where one source has no label, that of the other. Where masses are equal or 0, the more confident source is used, of
    equal ones the optical, so every pixel with a label in any source has one. Confidence and probabilities are those of
    the chosen source; where both agree, the greater confidence, and the probabilities whose maximum is greater (of
    equal ones, the optical). Probabilities of both predictions are in the same order of classes.
    """
    labels = np.stack([optical.labels, sar.labels])
    confidence = np.stack([optical.confidence, sar.confidence])
    fused = dempster_shafer(labels, np.stack([optical_masses, sar_masses]), codes)
    fused = resolve_undecided(fused, labels, confidence, "maxConfidence")
    seen = fused != 0
    from_optical, from_sar = seen & (optical.labels == fused), seen & (sar.labels == fused)
    choice = np.select([from_optical & from_sar, from_sar, from_optical], [BOTH, SAR, OPTICAL], NONE).astype(np.uint8)
    prefers_sar = _maximum(sar.probabilities) > _maximum(optical.probabilities)
    takes_sar = (choice == SAR) | ((choice == BOTH) & prefers_sar)
    return SensorFusion(
        Prediction(
            labels=fused,
            confidence=np.where(
                choice == BOTH, confidence.max(axis=0), np.where(takes_sar, sar.confidence, optical.confidence) * seen
            ).astype(np.float32),
            probabilities=(np.where(takes_sar, sar.probabilities, optical.probabilities) * seen).astype(np.float32),
        ),
        choice,
    )


def _maximum(probabilities: np.ndarray) -> np.ndarray:
    """Greatest probability (y, x) of any class; 0 without classes."""
    found: np.ndarray = probabilities.max(axis=0, initial=0.0)
    return found


def _votes(labels: np.ndarray) -> np.ndarray:
    """Labels as (source, pixel) uint16; ``ValueError`` for other types than unsigned integers of 8 or 16 bits."""
    if labels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"labels of type {labels.dtype}; expected uint8 or uint16")
    pixels = int(np.prod(labels.shape[1:]))
    return np.ascontiguousarray(labels.reshape(len(labels), pixels), np.uint16)


def _checked(undecided: int) -> int:
    """The label of undecided pixels; ``ValueError`` if it is not a number from 0 to 65535."""
    if not 0 <= undecided <= MAX_CODE:
        raise ValueError(f"undecided label {undecided}; expected a number from 0 to {MAX_CODE}")
    return int(undecided)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _most_votes(votes: np.ndarray, undecided: int, fused: np.ndarray) -> None:
    """Write the most frequent label of each pixel (source, pixel), or ``undecided`` for a tie."""
    sources, pixels = votes.shape
    seen = np.empty(sources, np.uint16)
    counts = np.empty(sources, np.int64)
    for p in range(pixels):
        found = 0
        for k in range(sources):
            label = votes[k, p]
            if label != 0:
                c = 0
                while c < found and seen[c] != label:
                    c += 1
                if c == found:
                    seen[c], counts[c] = label, 0
                    found += 1
                counts[c] += 1
        best, tied = 0, False
        for c in range(1, found):
            tied = counts[c] == counts[best] or (tied and counts[c] < counts[best])
            if counts[c] > counts[best]:
                best = c
        if found:
            fused[p] = undecided if tied else seen[best]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _most_belief(
    votes: np.ndarray, beliefs: tuple[np.ndarray, np.ndarray, np.ndarray], undecided: int, fused: np.ndarray
) -> int:
    """Write the label of maximum belief of each pixel (source, pixel), or ``undecided``. Return a label without class,
    after which nothing more is written, or 0.

    ``beliefs`` are: logarithms of ``1 - mass`` (class, source), the sources in descending order of these (class,
    source), and the class of each code, -1 for none.
    """
    doubts, ranks, place = beliefs
    sources, pixels = votes.shape
    for p in range(pixels):
        least, runner_up = np.inf, np.inf
        winner = np.uint16(0)
        for k in range(sources):
            label = votes[k, p]
            first = 0
            while votes[first, p] != label:
                first += 1
            if label == 0 or first < k:
                continue
            c, doubt = place[label], 0.0
            if c < 0:
                return int(label)
            for j in range(sources):
                if votes[ranks[c, j], p] == label:
                    doubt += doubts[c, ranks[c, j]]
            if doubt < least:
                least, runner_up, winner = doubt, least, label
            elif doubt < runner_up:
                runner_up = doubt
        if winner:
            # a_c = 0 of two classes gives -inf twice, whose difference would be NaN
            tied = runner_up == least or runner_up - least <= TIE
            fused[p] = undecided if tied or least == 0.0 else winner
    return 0
