"""Known translations of a synthetic world are found despite clouds and noise; unreliable ones are rejected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from iota2.compute.registration import (
    MAX_WINDOWS_PER_SIDE,
    MIN_WINDOWS,
    View,
    too_small_to_align,
    translation,
    view_of,
    window_grid,
)
from iota2.testing.world import DATES, World, WorldOptions, make_world
from tests.displaced import displaced

LATER, EARLIER = DATES[8], DATES[4]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(WorldOptions(size=320, overlap=64, dates=DATES))


@pytest.fixture(scope="module")
def reference(world: World) -> list[View]:
    return views(world.surface(EARLIER, "B4"))


def views(values: np.ndarray, clear: np.ndarray | None = None) -> list[View]:
    clear = np.ones(values.shape, bool) if clear is None else clear
    places = [(slice(*rows), slice(*cols)) for rows, cols in window_grid(values.shape)]
    return [view_of(values[place], clear[place]) for place in places]


@pytest.mark.parametrize(("right", "down"), [(0, 0), (0.5, 0.5), (2.6, 0.15), (-1.45, -2.9)])
def test_known_translations_are_found_despite_clouds_and_season(
    world: World, reference: list[View], right: float, down: float
) -> None:
    sky = world.sky(LATER)
    image = displaced(world, right, down).observed(LATER, "B4", sky)
    found = translation(reference, views(image, ~sky.invalid), 3)
    assert not found.rejected
    assert (found.right, found.down) == pytest.approx((right, down), abs=0.1)
    assert found.windows >= 10
    assert found.spread < 0.3
    if max(abs(right), abs(down)) > 1:
        assert found.after > found.before + 0.1


def test_translation_does_not_depend_on_contrast_even_if_inverted(world: World, reference: list[View]) -> None:
    image = displaced(world, 0.4, -1.2).surface(EARLIER, "B4")
    same, reversed_ = (translation(reference, views(values), 3) for values in (image, 90 - 0.01 * image))
    assert (reversed_.right, reversed_.down) == pytest.approx((same.right, same.down), abs=0.005)


def test_an_image_has_no_translation_to_itself(reference: list[View]) -> None:
    found = translation(reference, reference, 3)
    assert (found.right, found.down, found.spread) == (0, 0, 0)
    assert found.before == found.after == pytest.approx(1)


def test_unmasked_clouds_affect_their_windows_only(world: World, reference: list[View]) -> None:
    image = displaced(world, -0.7, 1.3).surface(LATER, "B4")
    fog = np.random.default_rng(1).normal(4000, 900, image.shape).astype(np.float32)
    image[:, : image.shape[1] // 3] = fog[:, : image.shape[1] // 3]
    found = translation(reference, views(image), 3)
    assert not found.rejected
    assert found.windows < found.compared
    assert (found.right, found.down) == pytest.approx((-0.7, 1.3), abs=0.1)


def test_masked_pixels_have_no_influence(world: World, reference: list[View]) -> None:
    image = displaced(world, 0.6, 0.2).surface(LATER, "B4")
    sky = world.sky(LATER)
    spoilt = np.where(sky.invalid, np.float32(16000), image)
    spoilt[sky.invalid] *= np.random.default_rng(2).random(np.count_nonzero(sky.invalid), np.float32)
    found = [translation(reference, views(values, ~sky.invalid), 3) for values in (image, spoilt)]
    assert (found[0].right, found[0].down) == pytest.approx((found[1].right, found[1].down), abs=0.03)
    assert not found[1].rejected


@pytest.mark.parametrize("kind", ["elsewhere", "noise", "nothing", "covered"])
def test_images_without_common_edges_are_rejected(world: World, reference: list[View], kind: str) -> None:
    image = world.surface(LATER, "B4")
    clear = np.ones(image.shape, bool)
    if kind == "elsewhere":
        image = np.ascontiguousarray(image[::-1, ::-1])
    elif kind == "noise":
        image = np.random.default_rng(0).normal(1000, 300, image.shape)
    elif kind == "nothing":
        image[:] = 500
    else:
        clear[:] = False
    found = translation(reference, views(image, clear), 3)
    assert ("are clear in both" if kind == "covered" else "show the same edges") in found.rejected
    assert (found.right, found.down) == (0, 0)


def test_random_peaks_are_rejected_at_any_position() -> None:
    first, second = np.random.default_rng(9).normal(size=(2, 192, 192))
    assert "show the same edges" in translation(views(first), views(second), 128).rejected


def test_a_negative_peak_is_rejected() -> None:
    rng = np.random.default_rng(7)
    clear = np.ones((128, 128), bool)
    first = [View(rng.normal(size=(128, 128)).astype(np.float32), clear) for _ in range(3)]
    assert not translation(first, first, 3).rejected
    found = translation(first, [replace(view, edges=-view.edges) for view in first], 3)
    assert "show the same edges" in found.rejected


def test_translation_is_the_subpixel_maximum_of_the_correlation() -> None:
    """Compared with the inverse transform of the phases, evaluated directly at each position of a fine grid."""
    rng = np.random.default_rng(8)
    smooth = ndimage.gaussian_filter(rng.normal(size=(3, 70, 70)), (0, 1, 1))
    clear = np.ones((64, 64), bool)
    clear[:20, :30] = False
    first = [View(one[2:66, 3:67].astype(np.float32), clear) for one in smooth]
    second = [View((one[4:68, 2:66] + one[4:68, 3:67]).astype(np.float32), clear) for one in smooth]
    found = translation(first, second, 3)
    weight = np.outer(np.hanning(66)[1:-1], np.hanning(66)[1:-1]) * clear
    rows, cols = np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64), indexing="ij")
    low = (np.hypot(rows, cols) < 0.35) & (np.hypot(rows, cols) > 0)
    places = []
    for one, other in zip(first, second, strict=True):
        spectra = [np.fft.fft2((v.edges - np.average(v.edges, weights=weight)) * weight)[low] for v in (one, other)]
        turns = np.angle(spectra[1]) - np.angle(spectra[0])
        grid = [(right / 50, down / 50) for right in range(-25, 76) for down in range(-125, -74)]
        heights = [np.cos(turns + 2 * np.pi * (right * cols + down * rows)[low]).sum() for right, down in grid]
        places.append(grid[int(np.argmax(heights))])
    assert (found.right, found.down) == pytest.approx(tuple(np.median(places, axis=0)), abs=0.02)
    assert (found.right, found.down) == pytest.approx((0.5, -2), abs=0.1)


def test_disagreeing_windows_are_rejected(world: World, reference: list[View]) -> None:
    left, right = (displaced(world, by, 0).surface(LATER, "B4") for by in (-2.5, 2.5))
    half = left.shape[1] // 2
    found = translation(reference, views(np.concatenate([left[:, :half], right[:, half:]], axis=1)), 3)
    assert "disagree" in found.rejected


def test_a_few_outlying_windows_have_no_influence(world: World, reference: list[View]) -> None:
    true, other = (views(displaced(world, by, 0).surface(LATER, "B4")) for by in (-1.0, 2.5))
    few = max(1, len(true) // 5)
    found = translation(reference, [*other[:few], *true[few:]], 3)
    assert not found.rejected
    assert (found.right, found.down) == pytest.approx((-1, 0), abs=0.1)


def test_translation_that_lowers_the_correlation_is_rejected() -> None:
    """Weak noise is displaced, a strong wave is not: the phases of all frequencies except one indicate a shift."""
    rng = np.random.default_rng(5)
    waves = 10 * np.sin(2 * np.pi * np.arange(128) / 8)
    grain = [rng.normal(size=(128, 128)) for _ in range(4)]
    clear = np.ones((128, 128), bool)
    first = [View((waves + one).astype(np.float32), clear) for one in grain]
    second = [View((waves + np.roll(one, 2, axis=1)).astype(np.float32), clear) for one in grain]
    found = translation(first, second, 3)
    assert "would decrease the correlation" in found.rejected


@pytest.mark.parametrize(("share", "rejected"), [(0.35, True), (0.9, False)])
def test_poorly_correlated_edges_are_rejected(share: float, rejected: bool) -> None:
    rng = np.random.default_rng(6)
    common, *own = (ndimage.gaussian_filter(rng.normal(size=(3, 128, 128)), (0, 1, 1)) for _ in range(3))
    clear = np.ones((128, 128), bool)
    first, second = (
        [
            View((share * one + (1 - share) * other).astype(np.float32), clear)
            for one, other in zip(common, noise, strict=True)
        ]
        for noise in own
    )
    found = translation(first, second, 3)
    assert found.windows == 3
    assert (found.right, found.down) == pytest.approx((0, 0), abs=0.3)
    assert ("correlation of the edges is" in found.rejected) == rejected


def test_translation_beyond_the_limit_is_rejected(world: World, reference: list[View]) -> None:
    image = views(displaced(world, 6.3, -4.1).surface(LATER, "B4"))
    near = displaced(world, 2.6, 0).surface(LATER, "B4")
    assert "show the same edges" in translation(reference, image, 3).rejected
    assert "more than the maximum of 2" in translation(reference, views(near), 2).rejected
    found = translation(reference, image, 8)
    assert (found.right, found.down) == pytest.approx((6.3, -4.1), abs=0.1)


def test_correlations_before_and_after_are_those_of_the_edges(world: World, reference: list[View]) -> None:
    image = views(displaced(world, 2, -1).surface(DATES[6], "B4"))
    found = translation(reference, image, 3)
    assert (round(found.right), round(found.down)) == (2, -1)
    assert found.windows == len(reference)
    inner = slice(4, -4), slice(4, -4)
    ones, before, after = [], [], []
    for one, other in zip(reference, image, strict=True):
        clear = (one.clear & other.clear)[inner]
        ones.append(one.edges[inner][clear])
        before.append(other.edges[inner][clear])
        after.append(np.roll(other.edges, (1, -2), axis=(0, 1))[inner][clear])
    expected = [np.corrcoef(np.concatenate(ones), np.concatenate(values))[0, 1] for values in (before, after)]
    assert found.before == pytest.approx(expected[0], abs=1e-9)
    assert found.after == pytest.approx(expected[1], abs=0.02), "the move is by thousandths of a pixel another one"


def test_masks_are_dilated_by_the_gradient_size() -> None:
    clear = np.ones((20, 20), bool)
    clear[10, 10] = False
    view = view_of(np.where(clear, 100.0, 1e6), clear)
    assert np.count_nonzero(~view.clear) == 49
    assert view.edges[view.clear].max() < 1e-3
    assert not view_of(np.full((8, 8), np.nan), np.zeros((8, 8), bool)).edges.any()


@pytest.mark.parametrize("shape", [(64, 64), (100, 3000), (257, 511), (1830, 1830), (10980, 10980)])
def test_windows_are_evenly_spaced_and_reach_all_sides(shape: tuple[int, int]) -> None:
    windows = window_grid(shape)
    assert len(windows) == len(set(windows)) <= MAX_WINDOWS_PER_SIDE * MAX_WINDOWS_PER_SIDE
    for axis, length in enumerate(shape):
        ranges = sorted({window[axis] for window in windows})
        assert ranges[0][0] == 0
        assert len(ranges) == 1 or ranges[-1][1] == length
        assert {end - start for start, end in ranges} <= {64, 128, 256}
        steps = np.diff([start for start, _ in ranges])
        assert len(ranges) == 1 or steps.max() - steps.min() <= 1


def test_an_image_that_is_too_small_is_not_compared() -> None:
    assert window_grid((63, 5000)) == []
    assert translation([], [], 3).rejected
    few = [View(np.ones((64, 64), np.float32), np.ones((64, 64), bool))] * 2
    assert translation(few, [replace(view) for view in few], 3).rejected


@pytest.mark.parametrize(
    ("shape", "small"), [((95, 95), True), ((96, 96), False), ((64, 80), True), ((64, 128), False)]
)
def test_images_are_too_small_below_the_minimum_number_of_windows(shape: tuple[int, int], small: bool) -> None:
    assert bool(too_small_to_align(shape)) == small == (len(window_grid(shape)) < MIN_WINDOWS)
    if small:
        assert (
            too_small_to_align(shape)
            == f"{shape[1]} x {shape[0]} pixels are too few to align; at least 96 x 96 are needed"
        )
