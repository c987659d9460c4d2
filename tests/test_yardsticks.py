"""Yardsticks of synchronicity: values by hand, published formulas on random beats, what cannot be had."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import argrelextrema

from bench.sync.beats import changes, peaks, stops
from bench.sync.yardsticks import (
    YARDSTICKS,
    Pair,
    alignment,
    av_align,
    cover,
    cross_correlation,
    hit,
    late,
    measure_all,
    missing,
    mutual_information,
)

RATE, NONE = 15.0, np.empty(0)


def bumps(times: list[float], seconds: float = 8.0, rate: float = RATE, width: float = 0.08) -> np.ndarray:
    """A curve with a bump at each time."""
    clock = np.arange(round(seconds * rate)) / rate
    return np.exp(-((clock[:, None] - np.array(times)) ** 2) / (2 * width**2)).sum(1)


UNEVEN = [0.6, 1.5, 1.9, 3.2, 4.4, 5.0, 6.3, 7.1]


@pytest.fixture
def pair() -> Pair:
    curve = bumps(UNEVEN)
    beats = np.array(UNEVEN)
    return Pair(beats, beats, beats, beats, curve, 3 * curve + 1, RATE, 1 / 30)


# --- beats of a motion ------------------------------------------------------------------------------------


def test_a_stop_is_the_lowest_within_its_reach():
    speed = np.array([5, 4, 1, 4, 3, 5, 5, 2, 5, 5.0])
    assert stops(speed, rate=1, reach=1) == pytest.approx([2, 4 - 1 / 6, 7])
    assert stops(speed, rate=1, reach=2) == pytest.approx([2, 7])  # 3 at step 4 is near 1 at step 2


def test_a_stop_that_lasts_is_one_beat_and_a_level_stretch_on_a_slope_is_none():
    assert stops(np.array([3, 1, 1, 1, 3.0]), rate=2) == pytest.approx([1.0])
    assert len(stops(np.array([5, 3, 3, 3, 3, 1, 1.0]), rate=1, reach=1)) == 0


def test_ends_and_curves_that_do_not_change_have_no_beats():
    assert len(stops(np.arange(9.0), RATE)) == 0
    for still in (np.zeros(30), np.full(30, 0.1) + 1e-13 * np.sin(np.arange(30)), NONE):
        assert not changes(still)
        assert len(stops(still, RATE)) == len(peaks(still, RATE)) == 0


def test_stops_of_random_speeds_are_the_published_ones(rng):
    speed = rng.random(600)
    published = argrelextrema(speed, np.less, order=10)[0] / 60
    found = stops(speed, 60.0)
    assert len(found) == len(published[(published > 0) & (published < 599 / 60)])
    assert np.abs(found - published).max() <= 0.5 / 60  # finer than a frame


def test_peaks_of_random_flow_are_those_of_av_align(rng):
    flow = rng.random(200)
    published = [i / 30 for i in range(1, 199) if flow[i - 1] < flow[i] > flow[i + 1]]
    assert np.abs(peaks(flow, 30.0) - published).max() <= 0.5 / 30


def test_a_peak_between_two_steps_is_found_there():
    assert peaks(bumps([1.03, 3.51]), RATE) == pytest.approx([1.03, 3.51], abs=0.01)
    assert peaks(bumps([1.0]), RATE, first=0.5 / RATE) == pytest.approx([1.0 + 0.5 / RATE], abs=0.01)


# --- beats against beats ----------------------------------------------------------------------------------


def test_alignment_by_hand():
    music, motion = np.array([0.0, 1.0, 2.0]), np.array([0.05, 1.1])
    kernel = [math.exp(-0.5), math.exp(-2.0)]  # one and two sigma off
    assert alignment(motion, music) == pytest.approx(sum(kernel) / 2)
    assert alignment(music, motion) == pytest.approx((sum(kernel) + math.exp(-(18**2) / 2)) / 3)


def test_alignment_over_motion_and_over_music_are_two_numbers():
    music, busy = np.array([1.0, 2.0]), np.arange(0, 3, 0.25)
    assert alignment(music, busy) == pytest.approx(1)
    assert alignment(busy, music) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_alignment_on_random_beats_is_the_published_formula(seed):
    rng = np.random.default_rng(seed)
    music, motion = np.sort(rng.integers(0, 480, 15)), np.sort(rng.integers(0, 480, 11))  # frames at 60 / s
    over_motion = sum(math.exp(-min((k - a) ** 2 for a in music) / (2 * 3**2)) for k in motion) / len(motion)
    over_music = sum(math.exp(-min((k - a) ** 2 for k in motion) / 2 / 9) for a in music) / len(music)
    assert alignment(motion / 60, music / 60) == pytest.approx(over_motion)
    assert alignment(music / 60, motion / 60) == pytest.approx(over_music)


def test_cover_and_hit_by_hand():
    music, motion = np.array([0.5, 1.0, 1.5, 2.0]), np.array([0.6, 1.01, 1.25])
    assert cover(music, motion) == 3 / 4
    assert hit(music, motion) == pytest.approx(2 / 3)  # exactly the tolerance off counts
    assert cover(motion, music) == 4 / 3
    assert cover(music, NONE) == 0  # as many motion beats as there are: none


def test_av_align_by_hand():
    onsets, flow = np.array([0.10, 0.52, 0.90]), np.array([0.12, 0.70, 0.95, 1.4])
    assert av_align(onsets, flow, frame=0.04) == pytest.approx(1 / 6)
    assert av_align(onsets, flow, frame=0.06) == pytest.approx(2 / 5)
    assert av_align(np.array([0.2]), np.array([0.3]), frame=0.1) == 0  # a whole frame off does not count
    assert av_align(np.array([0.2, 0.21]), np.array([0.2]), frame=0.1) == 2  # as published: a shared peak


@pytest.mark.parametrize("seed", range(5))
def test_av_align_on_random_peaks_is_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    onsets, flow, fps = np.sort(rng.random(12)) * 6, np.sort(rng.random(20)) * 6, 24
    common = sum(any(v - 1 / fps < a < v + 1 / fps for v in flow) for a in onsets)
    assert av_align(onsets, flow, 1 / fps) == pytest.approx(common / (12 + 20 - common))


# --- curves against curves --------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [-0.8, -0.3, -0.04, 0.0, 0.1, 0.37, 0.75])
def test_the_lag_is_found_within_40_ms_and_is_positive_where_motion_is_late(lag):
    found = cross_correlation(bumps(UNEVEN), bumps([t + lag for t in UNEVEN]), RATE)
    assert found.lag == pytest.approx(lag, abs=0.04)
    assert found.peak > 0.9


def test_cross_correlation_by_hand(rng):
    music, motion = rng.random(40), rng.random(40)
    naive = {
        lag: np.corrcoef(music[max(0, -lag) : 40 - max(0, lag)], motion[max(0, lag) : 40 - max(0, -lag)])[
            0, 1
        ]
        for lag in range(-4, 5)
    }
    found = cross_correlation(music, motion, rate=4.0)
    assert found.peak == pytest.approx(max(naive.values()))
    assert abs(found.lag * 4 - max(naive, key=naive.get)) <= 0.5


def test_of_equal_peaks_the_lag_nearest_to_0_counts():
    steady = np.tile([1.0, 0, 0, 0, 0], 12)  # a period of 5 steps: lags -5, 0, 5 fit equally well
    assert cross_correlation(steady, steady, rate=5.0) == pytest.approx((1, 0))


def test_late_by_hand():
    one, other = np.array([0, 1, 0, 2, 0, 1, 0, 3.0]), np.array([1, 1, 0, 2, 1, 1, 0, 2.0])
    assert late(one, other, rate=1e-9) == pytest.approx(np.corrcoef(one, other)[0, 1])  # nothing smoothed
    assert late(one, -one, RATE) == pytest.approx(-1)


def test_mutual_information_is_that_of_correlated_normals_and_sees_what_correlation_does_not(rng):
    x, noise = rng.normal(size=(2, 3000))
    y = 0.8 * x + 0.6 * noise
    assert mutual_information(x, y) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.06)
    assert mutual_information(x, noise) < 0.05
    assert mutual_information(x, x**2 + 0.1 * noise) > 0.5 > abs(np.corrcoef(x, x**2)[0, 1]) + 0.3


# --- what must not matter, and what must ------------------------------------------------------------------


def test_a_video_in_time_with_its_music_scores_highest(pair):
    found = measure_all(pair)
    assert [found[n] for n in ("bas_motion", "bas_music", "beat_cover", "beat_hit", "av_align")] == [1] * 5
    assert (found["xcorr_peak"], found["xcorr_lag"], found["late"]) == pytest.approx((1, 0, 1))
    for off in (0.15, 0.4):
        shifted = [t + off for t in UNEVEN]
        late_motion = replace(
            pair, motion_beats=np.array(shifted), flow_peaks=np.array(shifted), motion_energy=bumps(shifted)
        )
        worse = measure_all(late_motion)
        for name in (
            "bas_motion",
            "bas_music",
            "beat_hit",
            "av_align",
            "xcorr_lag",
            "mutual_information",
            "late",
        ):
            score = YARDSTICKS[name].score
            assert score(worse[name]) < score(found[name]), name


def test_a_common_delay_the_loudness_and_the_size_of_motion_do_not_matter(pair, rng):
    pair = replace(pair, motion_energy=pair.motion_energy + 0.2 * rng.random(len(pair.motion_energy)))
    other = replace(
        pair,
        **{n: getattr(pair, n) + 7 for n in ("music_beats", "motion_beats", "onsets", "flow_peaks")},
        onset_strength=1e-7 * pair.onset_strength + 3e-7,
        motion_energy=250 * pair.motion_energy,
    )
    assert measure_all(other) == pytest.approx(measure_all(pair), abs=1e-6)


def test_the_order_of_beats_does_not_matter(pair, rng):
    mixed = replace(pair, music_beats=rng.permutation(pair.music_beats), onsets=rng.permutation(pair.onsets))
    assert measure_all(mixed) == pytest.approx(measure_all(pair))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"music_beats": NONE}, {"bas_motion", "bas_music", "beat_cover", "beat_hit"}),
        ({"motion_beats": NONE}, {"bas_motion", "bas_music", "beat_hit"}),
        ({"onsets": NONE}, {"av_align"}),
        ({"flow_peaks": NONE}, {"av_align"}),
        ({"onset_strength": np.zeros(120)}, {"xcorr_peak", "xcorr_lag", "mutual_information", "late"}),
        ({"motion_energy": np.full(120, 0.3)}, {"xcorr_peak", "xcorr_lag", "mutual_information", "late"}),
        (
            {"onset_strength": np.arange(5.0), "motion_energy": np.arange(5.0)},
            {"xcorr_peak", "xcorr_lag", "mutual_information", "late"},
        ),
    ],
)
def test_what_cannot_be_measured_is_nan_and_says_why(pair, change, reasons):
    lacking = replace(pair, **change)
    found = measure_all(lacking)
    assert {name for name, value in found.items() if math.isnan(value)} == reasons
    assert {name for name in YARDSTICKS if missing(name, lacking)} == reasons
    assert all(missing(name, lacking).startswith("no ") for name in reasons)


def test_one_beat_is_enough():
    one = np.array([1.0])
    assert alignment(one, np.array([1.05])) == pytest.approx(math.exp(-0.5))
    assert (cover(one, one), hit(one, one), av_align(one, one, 0.04)) == (1, 1, 1)


def test_curves_of_two_clocks_are_refused(pair):
    with pytest.raises(ValueError, match=r"\(120,\), \(60,\)"):
        late(pair.onset_strength, pair.motion_energy[:60], RATE)
