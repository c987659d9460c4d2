"""The score of synchronicity: what the network may know, what it learns, what is kept and suggested of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import av
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import bench.sync.network as network_module
from bench.cli import main
from bench.errors import DataError, UsageError
from bench.observe.synchrony import same_moment
from bench.sync.folds import out_of_fold
from bench.sync.measure import moments, yardsticks
from bench.sync.network import LAGS, SynchronyNetwork, compare
from bench.sync.preview import write_preview
from bench.sync.recovery import nearest_lag, recovery
from bench.sync.score import BOTH, FAR, NEAR, Curve, curves_of, margins, measured, shifted, wrong_pairs
from bench.sync.scorer import MODELS, Scorer, Worth, keep, load, save_network
from bench.sync.suggest import suggest
from bench.sync.train import SHARPNESS, Recipe, Video, evidence, stretched, train
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC
from fusions.base import Group
from fusions.mult import CrossmodalEncoder

RATE = 15


def pulses(rng: np.random.Generator, steps: int = 100) -> np.ndarray:
    """Moments without a period, in steps."""
    return np.cumsum(rng.integers(4, 12, steps))[: int(np.searchsorted(np.cumsum(np.full(steps, 7)), steps))]


def video(rng: np.random.Generator, steps: int = 100, at: np.ndarray | None = None) -> Video:
    """Music with onsets and motion with bursts at the same moments, both in noise."""
    at = pulses(rng, steps) if at is None else at
    at = at[at < steps]
    music = rng.normal(0, 0.1, (steps, len(MUSIC))).astype(np.float32)
    motion = rng.normal(0, 0.1, (steps, len(MOTION))).astype(np.float32)
    music[at, MUSIC.index("onset")] += 3
    music[at, MUSIC.index("onset_low")] += 2
    motion[at, MOTION.index("acceleration")] += 2
    motion[at, MOTION.index("turn")] += 1
    return Video(music, motion)


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    rng = np.random.default_rng(0)
    return [video(rng) for _ in range(24)]


@pytest.fixture(scope="module")
def trained(videos) -> SynchronyNetwork:
    return train(videos[:16], 0, Recipe(steps=40, batch=8))


@pytest.fixture(scope="module")
def scorer(trained, videos) -> Scorer:
    held = videos[16:]
    true = np.array([measured(trained, v).now for v in held])
    wrong = np.array([measured(trained, v).now for pairs in wrong_pairs(held, 0).values() for v in pairs])
    return Scorer([trained], curves_of(true, wrong))


def test_scores_of_attention_are_products_of_moments_at_every_lag():
    queries, keys = torch.randn(2, 40, 6), torch.randn(2, 40, 6)
    there = torch.ones(2, 40, dtype=torch.bool)
    found = compare(queries, keys, there, there)
    for step, lag in ((20, 0), (20, 7), (25, -11), (39, -3)):
        expected = (queries[:, step] * keys[:, step + lag]).sum(-1) / 6**0.5
        assert torch.allclose(found.values[:, step, LAGS + lag], expected, atol=1e-5)
    assert not found.known[0, 0, LAGS - 1]
    assert found.values[0, 0, LAGS - 1] == 0


def test_the_network_knows_no_time(trained, videos):
    """Music moved by some steps has its evidence at lags moved by as many: no position gives lag 0 away."""
    one = videos[20]
    whole = evidence(trained, [one.music], [one.motion])[0]
    late = evidence(trained, [one.music[6:]], [one.motion[:-6]])[0]
    there = whole.values[0, 20:60, LAGS - 5 : LAGS + 6]
    moved = late.values[0, 20:60, LAGS - 11 : LAGS]
    assert torch.allclose(there, moved, atol=1e-4)


def test_long_sequences_piece_by_piece_are_the_whole(trained, monkeypatch):
    one = video(np.random.default_rng(5), 300)
    whole = measured(trained, one)
    monkeypatch.setattr(network_module, "LONG", 64)
    assert np.allclose(measured(trained, one).lags, whole.lags, atol=1e-4)


def test_a_window_hides_what_is_far_and_a_wide_one_nothing():
    torch.manual_seed(0)
    arguments = {"ordered": True, "source_ordered": True, "causal": False}
    encoder = CrossmodalEncoder(8, 2, 1, **arguments).eval()
    query = Group(torch.randn(1, 12, 8), torch.ones(1, 12, dtype=torch.bool))
    source = Group(torch.randn(1, 12, 8), torch.ones(1, 12, dtype=torch.bool))
    free, maps = encoder(query, source, want_maps=True)
    encoder.window = 12
    assert torch.equal(encoder(query, source)[0], free)
    encoder.window = 2
    _, near = encoder(query, source, want_maps=True)
    far = (torch.arange(12)[:, None] - torch.arange(12)).abs() > 2
    assert near[0][..., far].max() == 0 < maps[0][..., far].min()


def test_training_finds_what_belongs_together_on_videos_it_has_not_seen(trained, videos):
    lags = np.array([measured(trained, one).lags for one in videos[16:]])
    assert np.abs(nearest_lag(lags, RATE)).max() < 0.04
    assert (lags.argmax(1) == LAGS).mean() >= 0.9


def test_the_same_seed_trains_the_same_network(videos):
    one, other = (train(videos[:8], 3, Recipe(steps=3, batch=4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_score_falls_as_music_is_moved(scorer, videos):
    means = [
        np.mean([scorer.score(shifted(one, seconds)).score for one in videos[16:]])
        for seconds in (0.0, 0.1, 0.2)
    ]
    assert means[0] > 0.8
    assert means[0] > means[1] > means[2]
    swapped = [scorer.score(pair).score for pair in wrong_pairs(videos[16:], 1)["swapped"]]
    assert np.mean(swapped) < 0.5


def test_every_step_and_direction_has_a_score(scorer, videos):
    found = scorer.score(videos[20])
    assert set(found.by_direction) == set(found.steps) == {"music -> motion", "motion -> music"}
    for steps in found.steps.values():
        known = steps[np.isfinite(steps)]
        assert len(steps) == 100
        assert len(known) > 80
        assert ((known >= 0) & (known <= 1)).all()


def test_a_video_too_short_for_a_score_is_refused(scorer, videos):
    with pytest.raises(DataError, match=r"0\.7 s of music and motion"):
        scorer.score(Video(videos[0].music[:10], videos[0].motion[:10]))


def test_margins_are_over_other_lags_and_less_by_how_far_they_are():
    values = np.zeros(2 * LAGS + 1)
    values[LAGS], values[LAGS + 2] = 2.0, 1.4
    picked = np.exp(-0.6 * SHARPNESS) / (1 + np.exp(-0.6 * SHARPNESS))
    found = margins(values)
    assert found[LAGS] == pytest.approx(2.0 - 1.4 / (2 * NEAR) - FAR * 2 * picked, abs=1e-4)
    assert found[LAGS - 10] == pytest.approx(-FAR * (10 * (1 - picked) + 12 * picked), abs=1e-4)
    values[:] = 0
    values[-2] = 0.9  # the last lag has neighbours on one side only
    assert margins(values)[-1] == pytest.approx(-0.9 / NEAR - FAR, abs=0.02)


def test_a_curve_never_falls():
    rng = np.random.default_rng(0)
    true, wrong = rng.normal(-1, 1, (50, 3)), rng.normal(1, 1, (50, 3))
    assert curves_of(true, wrong)[BOTH].slope == 0


def test_shifting_and_stretching_hand_computed():
    ramp = Video(np.arange(10, dtype=np.float32)[:, None], np.arange(10, dtype=np.float32)[:, None])
    late = shifted(ramp, 2 / RATE)
    assert np.allclose(late.music[:, 0], np.arange(8))
    assert np.allclose(late.motion[:, 0], np.arange(2, 10))
    assert np.allclose(stretched(ramp.music, 2.0, 4.0)[:, 0], [0, 2, 4, 6, 8])


def test_networks_are_kept_and_found_again(scorer, videos, tmp_path):
    folder = tmp_path / MODELS / "abc123"
    folder.mkdir(parents=True)
    save_network(scorer.networks[0], folder)
    from bench.files import seal

    seal(folder)
    keep([folder], scorer.curves, Worth("likes", 1.0, 0.5, 1.5), tmp_path)
    again = load(tmp_path)
    assert again.score(videos[18]).score == pytest.approx(scorer.score(videos[18]).score, abs=1e-6)
    factor, low, high = again.worth.factor(-0.5)
    assert (factor, low, high) == pytest.approx((np.exp(-0.5), np.exp(-0.75), np.exp(-0.25)))
    (folder / "model.safetensors").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match="damaged"):
        load(tmp_path)


def test_without_networks_the_way_to_them_is_said(tmp_path):
    with pytest.raises(UsageError, match="bench sync run"):
        load(tmp_path)


def test_the_true_track_is_first_and_its_offset_found(scorer, monkeypatch, tmp_path):
    rng = np.random.default_rng(7)
    one = video(rng, 100)
    before = rng.normal(0, 0.1, (13, len(MUSIC))).astype(np.float32)
    tracks = {
        "true": np.concatenate([before, one.music]),
        "other": video(rng, 160).music,
        "silent": np.zeros((200, len(MUSIC)), np.float32),
        "short": one.music[:40],
    }

    class Listening:
        def prepare(self, path):
            return type("Heard", (), {"values": tracks[path.stem]})

    monkeypatch.setattr("bench.sync.suggest.encoders.get", lambda modality, name: Listening())
    found, refused = suggest(one.motion, [tmp_path / name for name in tracks], scorer)
    assert [suggestion.track.name for suggestion in found] == ["true", "other"]
    assert found[0].offset == pytest.approx(13 / RATE, abs=0.08)
    reasons = {one.track.name: one.reason for one in refused}
    assert reasons["silent"] == "it is silent"
    assert "it has 2.7 s; this video needs 5.0 s" in reasons["short"]


def test_the_preview_has_the_picture_as_it_was_and_the_new_sound(media_files, tmp_path):
    clip, sound = media_files
    out = tmp_path / "preview.mp4"
    write_preview(clip, sound, 0.25, 1.0, out)
    assert _packets(out) == _packets(clip)
    with av.open(out) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert abs(len(heard) / 44100 - 1.0) < 0.06
    assert np.abs(heard).max() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["preview.mp4"]


def _packets(path) -> list[bytes]:
    with av.open(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.fixture(scope="module")
def media_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    clip, sound = folder / "clip.mp4", folder / "tone.wav"
    with av.open(clip, "w") as container:
        stream = container.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(15):
            picture = np.full((48, 64, 3), number * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    with av.open(sound, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=44100, layout="mono")
        tone = (np.sin(np.arange(2 * 44100) / 20) * 9000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, "s16", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return clip, sound


def test_suggest_for_a_file_that_is_no_media_says_so_and_writes_nothing(scorer, tmp_path):
    folder = tmp_path / MODELS / "abc123"
    folder.mkdir(parents=True)
    save_network(scorer.networks[0], folder)
    from bench.files import seal

    seal(folder)
    keep([folder], scorer.curves, None, tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    before = sorted(tmp_path.rglob("*"))
    asked = ["sync", "suggest", str(text), "--tracks", str(tmp_path), "--models", str(tmp_path)]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 2
    assert "text.mp4" in result.output
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_recovery_hand_computed():
    planted = np.arange(12, dtype=float)
    measures = {"score": np.stack([planted, planted]), "worse": -planted, "flat": np.ones(12)}
    found = recovery(measures, planted, np.arange(12) // 2).set_index("measure")
    assert found.loc["score", "spearman"] == pytest.approx(1)
    assert found.loc["worse", ["spearman", "ahead", "ahead_low"]].tolist() == pytest.approx([-1, 2, 2])
    assert found.loc["flat", "spearman"] == 0


def test_yardsticks_of_videos_see_that_bursts_meet_onsets(videos):
    own = yardsticks([str(n) for n in range(8)], videos[:8])
    other = yardsticks(
        [str(n) for n in range(8)], [Video(a.music, b.motion) for a, b in pairwise(videos[:9])]
    )
    for name in ("av_align (bursts)", "xcorr_peak (bursts)", "late (bursts)"):
        assert own[name].min() > other[name].mean() + 0.2, name


def test_marked_beats_are_moments():
    marked = np.zeros(20)
    marked[3], marked[4], marked[10] = 0.25, 0.75, 1.0
    assert moments(marked) == pytest.approx([(0.25 * 3.5 + 0.75 * 4.5) / 15, 10.5 / 15])


def test_attention_at_the_same_moment_hand_computed():
    maps = np.zeros((1, 4, 4))
    maps[0, 0, 0] = maps[0, 1, 3] = 1.0
    maps[0, 2, 1:3] = 0.5
    assert same_moment(maps) == pytest.approx([2 / 3])


def test_scores_are_out_of_fold_and_never_of_engagement(videos, tmp_path, monkeypatch):
    """Groups are whole, every video has one score a seed, stored folds are not trained again."""

    class Data:
        ids: ClassVar = [f"v{i}" for i in range(24)]
        groups = np.array([f"g{i // 3}" for i in range(24)])
        fingerprint = "x"

        def videos(self):
            return list(videos)

    seen = []

    def quick(chosen, seed):
        seen.append({id(one.music) for one in chosen})
        return train(chosen, seed, Recipe(steps=2, batch=4))

    monkeypatch.setattr("bench.sync.folds.train", quick)
    found = out_of_fold(Data(), 1, tmp_path)
    assert sorted(found.scores["id"]) == sorted(Data.ids)
    for fold, table in found.scores.groupby("fold"):
        held = {id(videos[int(name[1:])].music) for name in table["id"]}
        assert not held & seen[fold]
        groups = {Data.groups[int(name[1:])] for name in table["id"]}
        assert len(table) == 3 * len(groups)
    again = out_of_fold(Data(), 1, tmp_path)
    assert (found.executed, again.executed) == (4, 0)
    pd.testing.assert_frame_equal(found.scores, again.scores)
    steps = again.steps()
    assert steps["v5"].shape == (2, 100)
    victim = found.folders[1] / "steps.npz"
    victim.write_bytes(victim.read_bytes()[:-4])
    assert out_of_fold(Data(), 1, tmp_path).executed == 1


def test_a_curve_is_a_probability():
    curve = Curve(2.0, -1.0)
    assert curve(0.5) == pytest.approx(0.5)
    assert replace(curve, slope=0.0)(9.0) == pytest.approx(1 / (1 + np.e))
