"""Videos of every awkward kind are seen as the plain one of the same content is, or are refused by name."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from media import one
from strangers import ENCODERS

import encoders
from encoders import Feature, Undecodable, video
from encoders.base import evenly
from encoders.media import opened
from encoders.timeline import Timeline, in_turn

RATE, LENGTH = 30, 4.0
LOSSY = 8.0
"""Levels of 255 by which pixels may differ in the mean: compression, and half a frame's motion."""
EVEN = np.arange(round(LENGTH * RATE)) / RATE


def scene(moment: float, width: int = 64, height: int = 48) -> np.ndarray:
    """What is to be seen at a moment: a bright bar that rests, hurries in the third second, and rests."""
    pixels = np.full((height, width, 3), (60, 90, 40), np.uint8)
    pixels[: height // 3, : width // 4] = 200, 40, 40  # up and down are not the same, nor left and right
    place = round(np.clip(moment - 2.0, 0, 1) * width / 2)
    pixels[height // 2 :, place : place + width // 3] = 230
    return pixels


def save(
    path,
    at=EVEN,
    *,
    codec="mpeg4",
    fmt="yuv420p",
    size=(64, 48),
    turned=0,
    kind=None,
    container=None,
    **options,
):
    """Write the scene as it is at some moments, in seconds; turned: lying, with a note of how to turn it."""
    with av.open(str(path), "w", format=kind, options=container or {}) as out:
        stream = out.add_stream(codec, rate=RATE, options={"g": "12", **options})
        stream.width, stream.height = size[::-1] if turned % 180 else size
        stream.pix_fmt, stream.bit_rate = fmt, 4_000_000
        stream.codec_context.time_base = Fraction(1, 600)
        if turned:
            stream.set_display_rotation(turned)
        for moment in at:
            pixels = np.ascontiguousarray(np.rot90(scene(moment, *size), -turned // 90))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=fmt)
            frame.time_base, frame.pts = Fraction(1, 600), round(600 * moment)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def claims_days(path):
    """Write a Matroska file whose header says that it lasts for days."""
    save(path)
    content = path.read_bytes()
    place = content.index(b"\x44\x89\x88") + 3  # the element Duration, of 8 bytes
    path.write_bytes(content[:place] + struct.pack(">d", 1e9) + content[place + 8 :])


def sound_only(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=22050, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22050), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 22050
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def with_a_cover(path):
    """Write a sound file that brings the picture of its cover, which containers keep as a video stream."""
    with av.open(str(path), "w") as out:
        sound, cover = out.add_stream("aac", rate=22050, layout="mono"), out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 22050), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 22050
        picture = av.VideoFrame.from_ndarray(scene(0.0), format="rgb24").reformat(format="yuvj420p")
        out.mux(cover.encode(picture))
        out.mux(sound.encode(frame))
        for stream in (sound, cover):
            out.mux(stream.encode())


def cut(path):
    save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])


UNEVEN = np.array([*EVEN[:60:20], *EVEN[60:90], *EVEN[90::15], EVEN[-1]])
"""A frame a thirtieth where something moves, and hardly one where nothing does."""
JITTER = EVEN + 0.012 * np.sin(np.arange(len(EVEN)) * 2.0)
GAPS = np.delete(EVEN, np.arange(40, 58))
H264 = {"codec": "libx264", "preset": "ultrafast"}
VP8 = {"codec": "libvpx", "deadline": "good", "cpu-used": "5"}

RIGHT = {
    "plain.mp4": {},
    "uneven.mkv": {"at": UNEVEN},
    "uneven.mp4": {"at": UNEVEN},
    "uneven-b-frames.mp4": {"at": UNEVEN, "codec": "libx264", "preset": "veryfast", "bf": "2"},
    "jitter.mkv": {"at": JITTER},
    "gaps.mp4": {"at": GAPS},
    "late.ts": {"container": {"output_ts_offset": "20"}, **H264},
    "turned-90.mp4": {"turned": 90},
    "turned-180.mp4": {"turned": 180},
    "turned-270.mov": {"turned": 270},
    "uneven-turned.mp4": {"at": UNEVEN, "turned": 90},
    "odd-size.mkv": {"codec": "ffv1", "fmt": "yuv444p", "size": (61, 47)},
    "10-bit.mp4": {**H264, "fmt": "yuv420p10le"},
    "10-bit-422.mkv": {"codec": "ffv1", "fmt": "yuv422p10le"},
    "16-bit.mkv": {"codec": "ffv1", "fmt": "yuv444p16le"},
    "with-alpha.mov": {"codec": "qtrle", "fmt": "argb"},
    "without-length.mkv": {"container": {"live": "1"}},
    "fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}},
    "without-stamps.avi": {},
    "vp8.webm": VP8,
    "a-matroska.mp4": {"kind": "matroska"},
}
"""File -> how the scene is written."""


def chosen(path, count=16):
    return video.decode(path, lambda frames: evenly(frames, count), 32)


def expected(share: float) -> np.ndarray:
    """The scene at a share of its length, squeezed to a square."""
    frame = av.VideoFrame.from_ndarray(scene(share * LENGTH), format="rgb24")
    return frame.reformat(32, 32, "rgb24", interpolation="AREA").to_ndarray()


def agrees(clip, tolerance=LOSSY):
    assert len(clip.pixels) == 16
    for number, pixels in enumerate(clip.pixels):
        wanted = expected((number + 0.5) / 16)
        assert np.abs(pixels.astype(float) - wanted).mean() <= tolerance, number
    assert clip.seconds == pytest.approx(LENGTH, abs=0.2)


@pytest.mark.parametrize("name", RIGHT)
def test_an_awkward_video_shows_what_it_is(tmp_path, capfd, name):
    agrees(chosen(save(tmp_path / name, **RIGHT[name])))
    plain = one(ENCODERS["video"], save(tmp_path / "plain.mp4")).values
    seen = one(ENCODERS["video"], tmp_path / name).values
    assert seen == pytest.approx(plain, abs=0.05)
    flow = one(encoders.get("video", "flow"), tmp_path / name)
    assert len(flow.values) == pytest.approx(LENGTH * 15, abs=2)
    assert "".join(capfd.readouterr()) == ""


def test_a_length_of_days_is_not_believed(tmp_path):
    claims_days(tmp_path / "a.mkv")
    with opened(tmp_path / "a.mkv", "video") as media:
        assert media.duration > 86400
    agrees(chosen(tmp_path / "a.mkv"))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(tmp_path, frames):
    path = save(tmp_path / "a.mp4", EVEN[:frames])
    assert len(chosen(path).pixels) == frames
    result = one(ENCODERS["video"], path)
    assert isinstance(result, Feature)
    assert not result.values[22:28].any()  # nothing moves in the first tenth of a second


def test_a_cut_video_is_seen_as_far_as_it_goes(tmp_path):
    cut(tmp_path / "a.mkv")
    clip = chosen(tmp_path / "a.mkv")
    assert np.abs(clip.pixels[0].astype(float) - expected(0)).mean() <= LOSSY
    cut(tmp_path / "a.mp4")  # the table of its frames is at the end
    assert isinstance(one(ENCODERS["video"], tmp_path / "a.mp4"), Undecodable)


@pytest.mark.parametrize("write", [sound_only, with_a_cover], ids=lambda f: f.__name__)
def test_sound_is_no_video(tmp_path, write):
    write(tmp_path / "a.mp4")
    assert one(ENCODERS["video"], tmp_path / "a.mp4") == Undecodable("it has no video stream")
    assert isinstance(one(ENCODERS["audio"], tmp_path / "a.mp4"), Feature)


def test_a_silent_film_is_no_sound(tmp_path):
    path = save(tmp_path / "a.mp4")
    assert one(ENCODERS["audio"], path) == Undecodable("it has no audio stream")
    assert isinstance(one(ENCODERS["video"], path), Feature)


# ---------------------------------------------------------------------------------------------- jumping

FAR = np.arange(400) / RATE
CODECS = {
    "mpeg4.mp4": {"codec": "mpeg4"},
    "b-frames.mkv": {"codec": "mpeg4", "bf": "2"},
    "h264.mp4": {"codec": "libx264", "preset": "veryfast", "bf": "3"},
    "open.mp4": {"codec": "libx264", "preset": "veryfast", "x264-params": "open-gop=1:keyint=24:bframes=3"},
    "refresh.mp4": {"codec": "libx264", "preset": "veryfast", "x264-params": "intra-refresh=1:keyint=24"},
    "vp8.mkv": VP8,
    "uneven.mkv": {
        "codec": "libx264",
        "preset": "veryfast",
        "bf": "3",
        "at": np.delete(FAR, np.arange(30, 300, 3)),
    },
}


@pytest.mark.parametrize("name", CODECS)
def test_jumping_finds_the_same_pictures_as_decoding_all(tmp_path, monkeypatch, name):
    path = save(tmp_path / name, **{"at": FAR, **CODECS[name]})
    clip = chosen(path)
    monkeypatch.setattr(video.Timeline, "jumping", lambda line, media, wanted: in_turn(media, wanted))
    assert np.array_equal(clip.pixels, chosen(path).pixels)
    assert len(clip.pixels) == 16


def test_jumping_spares_decoding(tmp_path, monkeypatch):
    path = save(tmp_path / "a.mp4", np.arange(600) / RATE)
    with opened(path, "video") as media:
        line = Timeline.of(media)
    frames = counted(monkeypatch)
    with opened(path, "video") as media:
        found = [place for place, _ in line.jumping(media, evenly(600, 4))]
    assert found == evenly(600, 4)
    assert len(frames) <= 4 * 12


def counted(monkeypatch):
    """The frames that are decoded from now on."""
    from encoders.media import Opened

    seen, whole = [], Opened.frames
    monkeypatch.setattr(Opened, "frames", lambda media: (seen.append(1) or f for f in whole(media)))
    return seen
