"""Media files of strangers: nothing runs, nothing beside the file is read, every fault is one line."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from media import one, save_image, save_sound, save_video
from PIL import Image
from strangers import ENCODERS, refused

from bench.data.checks.files import look
from encoders import Feature, Undecodable, media
from encoders.decoding import CannotDecode, decoding

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")

# --------------------------------------------------------------------------------------- foreign formats

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
FOREIGN_IMAGES = {
    "eps": EPS,
    "dds": b"DDS " + struct.pack("<I", 124) + bytes(120),
    "dds cut": b"DDS ",
    "psd": b"8BPS\0\1" + bytes(60),
    "fits": b"SIMPLE  =                    T" + bytes(2880),
    "tga": b"\0\0\2" + bytes(9) + b"\x10\0\x10\0\x18\0" + bytes(800),
    "ppm": b"P6 9 9 255 " + bytes(243),
    "ico": b"\0\0\1\0\1\0" + bytes(60),
    "icns": b"icns" + struct.pack(">I", 40) + bytes(60),
    "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(60),
    "xpm": b'/* XPM */\nstatic char *x[] = {"1 1 1 1"};',
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(60),
}


@pytest.mark.parametrize("kind", FOREIGN_IMAGES)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_other_image_formats_are_not_opened(tmp_path, monkeypatch, capfd, kind, suffix):
    marker = tmp_path / "ran"
    for program in ("gs", "gswin32c", "gswin64c"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho ran > {marker}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # searched for once per process
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(FOREIGN_IMAGES[kind])
    assert refused(path, "image", capfd) == "it is in no image format that is read here"
    assert look(path, "image")[0] == "other-modality"
    assert not marker.exists()


def test_the_fake_ghostscript_would_have_run(tmp_path, monkeypatch):
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho ran > {tmp_path / 'ran'}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    (tmp_path / "picture.jpg").write_bytes(EPS)
    with pytest.raises((OSError, SyntaxError, ValueError)), Image.open(tmp_path / "picture.jpg") as image:
        image.load()
    assert (tmp_path / "ran").exists()


# ---------------------------------------------------------------------------------------------- playlists


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "elsewhere").mkdir()
    return save_video(tmp_path / "elsewhere/secret.mp4")


def hls(entry):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{entry}\n#EXT-X-ENDLIST\n"


PLAYLISTS = {
    "hls": lambda other, own: hls(other),
    "hls relative": lambda other, own: hls("../elsewhere/secret.mp4"),
    "hls endless": lambda other, own: f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n",
    "hls of itself": lambda other, own: hls(own),
    "hls nested": lambda other, own: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{own}\n",
    "hls key": lambda other, own: f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n#EXTINF:1,\n{own}\n',
    "hls of an address": lambda other, own: hls("http://localhost:9/x.ts"),
    "concat": lambda other, own: f"ffconcat version 1.0\nfile '{other}'\n",
    "concat of itself": lambda other, own: f"ffconcat version 1.0\nfile '{own}'\n" * 3,
    "concat of many": lambda other, own: "ffconcat version 1.0\n" + f"file '{other}'\n" * 9999,
    "dash": lambda other, own: (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
        f'<Representation id="1"><BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ),
    "sdp": lambda other, own: (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n"
    ),
    "m3u": lambda other, own: f"{other}\n",
    "asx": lambda other, own: f'<asx version="3.0"><entry><ref href="{other}"/></entry></asx>',
    "imf": lambda other, own: f'<CompositionPlaylist xmlns="x"><Id>{other}</Id></CompositionPlaylist>',
    "subtitles": lambda other, own: f"# VobSub index file, v7\n{other}\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".mp3", ".m3u8"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_not_followed(tmp_path, outside, monkeypatch, capfd, kind, suffix):
    path = tmp_path / f"inside/film{suffix}"
    path.write_text(PLAYLISTS[kind](outside, path))
    seen = files_opened(monkeypatch)
    refused(path, "video", capfd)
    refused(path, "audio", capfd)
    assert seen == {path}


def files_opened(monkeypatch):
    """The files that are opened for FFmpeg, which can open none itself, from now on."""
    seen = set()

    class Watched(media._Limited):
        def __init__(self, path):
            seen.add(path)
            super().__init__(path)

    def refuse(url, flags, options):
        seen.add(url)
        raise CannotDecode("another file")

    monkeypatch.setattr(media, "_Limited", Watched)
    monkeypatch.setattr(media, "_refuse", refuse)
    return seen


@pytest.mark.parametrize("name", ["img%d.jpg", "img%03d.png", "img*.jpg", "concat:a|b.mp4", "http:x.mp4"])
def test_a_name_is_no_pattern_and_no_address(tmp_path, monkeypatch, capfd, name):
    for i in range(3):
        save_image(tmp_path / f"img{i}.jpg", i)
    path = tmp_path / name
    path.write_bytes((tmp_path / "img0.jpg").read_bytes())
    seen = files_opened(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert "no video or audio format" in refused(Path(name), "video", capfd)
    assert seen == {Path(name)}


def box(kind, *parts):
    return struct.pack(">I", 8 + sum(map(len, parts))) + kind + b"".join(parts)


def full(kind, *parts):
    return box(kind, bytes(4), *parts)


def mp4(*, frames=3, width=64, height=48, elsewhere=None):
    """An MP4 file that claims `frames` frames of some size, in itself or in another file."""
    numbers = struct.pack
    place = full(b"url ", str(elsewhere).encode() + b"\0") if elsewhere else box(b"url ", b"\0\0\0\1")
    entry = bytes(6) + b"\0\1" + bytes(16) + numbers(">HH", width, height) + b"\0\x48\0\0\0\x48\0\0"
    entry += bytes(4) + b"\0\1" + bytes(32) + b"\0\x18\xff\xff"
    table = box(
        b"stbl",
        full(b"stsd", numbers(">I", 1), box(b"mp4v", entry)),
        full(b"stts", numbers(">III", 1, frames, 1)),
        full(b"stsc", numbers(">IIII", 1, 1, frames, 1)),
        full(b"stsz", numbers(">II", 1, frames)),
        full(b"stco", numbers(">II", 1, 32)),
    )
    data = box(b"dinf", full(b"dref", numbers(">I", 1), place))
    track = box(
        b"mdia",
        full(b"mdhd", numbers(">IIIIHH", 0, 0, 1000, 1000, 0, 0)),
        full(b"hdlr", bytes(4) + b"vide" + bytes(13)),
        box(b"minf", full(b"vmhd", bytes(8)), data, table),
    )
    header = full(b"tkhd", bytes(8) + numbers(">I", 1) + bytes(72))
    film = box(
        b"moov", full(b"mvhd", numbers(">IIII", 0, 0, 1000, 1000) + bytes(80)), box(b"trak", header, track)
    )
    return box(b"ftyp", b"isom\0\0\2\0isom") + box(b"mdat", bytes(64)) + film


@pytest.mark.parametrize(
    "claims",
    [{"elsewhere": "/etc/hostname"}, {"frames": 10**8}, {"width": 65000, "height": 65000}, {"width": 0}],
    ids=str,
)
def test_an_mp4_file_that_claims_too_much(tmp_path, monkeypatch, capfd, claims):
    path = tmp_path / "film.mp4"
    path.write_bytes(mp4(**claims))
    seen = files_opened(monkeypatch)
    refused(path, "video", capfd)
    assert seen == {path}


# --------------------------------------------------------------------------------------- damaged files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One good file of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    for suffix in ("jpg", "png", "webp", "gif", "tif", "bmp", "avif"):
        save_image(folder / f"a.{suffix}")
    for suffix in ("mp4", "mkv", "avi"):
        save_video(folder / f"a.{suffix}", sound=suffix != "avi")
    save_sound(folder / "a.wav", np.sin(np.arange(8000) / 9) / 2)
    return folder


def zeroed(content):
    return bytes(len(content))


def without_start(content):
    return bytes(32) + content[32:]


def flipped(content):
    return bytes(b ^ 0xFF if i % 7 == 3 else b for i, b in enumerate(content))


def empty(content):
    return b""


KINDS = {"image": ("jpg", "png", "webp", "gif", "tif", "bmp", "avif"), "video": ("mp4", "mkv", "avi")}
KINDS["audio"] = ("wav", "mp4", "mkv")


@pytest.mark.parametrize("damage", [zeroed, without_start, flipped, empty], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("modality", "suffix"), [(m, s) for m in KINDS for s in KINDS[m]])
def test_damaged_files_are_results(tmp_path, whole, capfd, modality, suffix, damage):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(damage((whole / f"a.{suffix}").read_bytes()))
    refused(path, modality, capfd)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.97])
@pytest.mark.parametrize(("modality", "suffix"), [(m, s) for m in KINDS for s in KINDS[m]])
def test_cut_files_are_decoded_as_far_as_they_go_or_refused(
    tmp_path, whole, capfd, recwarn, modality, suffix, part
):
    content = (whole / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[: int(len(content) * part)])
    result = one(ENCODERS[modality], tmp_path / f"a.{suffix}")
    assert isinstance(result, Undecodable) or np.isfinite(result.values).all()
    assert "".join(capfd.readouterr()) == ""
    assert not recwarn.list


@pytest.mark.parametrize(
    "error",
    [
        *(OverflowError("x"), KeyError("x"), IndexError("x"), TypeError("x"), AttributeError("x")),
        *(MemoryError(), NotImplementedError("x"), struct.error("x"), RecursionError("x"), EOFError("x")),
        *(ZeroDivisionError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), av.FFmpegError(1, "x")),
    ],
    ids=lambda e: type(e).__name__,
)
def test_whatever_a_decoder_raises_is_the_fault_of_the_file(tmp_path, error):
    path = save_image(tmp_path / "a.png")
    with pytest.raises(CannotDecode, match=r".") as caught, decoding(path):
        raise error
    assert caught.value.__cause__ is error


def test_errors_of_an_encoder_stay_its_own(tmp_path, monkeypatch):
    path = save_image(tmp_path / "a.png")
    monkeypatch.setattr(ENCODERS["image"], "network", lambda device: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        one(ENCODERS["image"], path)


def test_good_images_of_rare_kinds_and_with_odd_metadata(tmp_path, recwarn):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 256).save(tmp_path / "sixteen.png")
    image.save(tmp_path / "two.jpg", format="MPO", save_all=True, append_images=[image])
    image.save(tmp_path / "exif.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\xff\0" * 9)
    image.convert("P").save(tmp_path / "palette.png", transparency=bytes(range(200)))
    for name in ("cmyk.jpg", "sixteen.png", "two.jpg", "exif.jpg", "palette.png"):
        assert isinstance(one(ENCODERS["image"], tmp_path / name), Feature), name
        assert look(tmp_path / name, "image") is None
    assert not recwarn.list


@pytest.mark.parametrize(("limit", "refuses"), [(2000, False), (1000, True)])
def test_a_decompression_bomb_is_refused_in_silence(tmp_path, monkeypatch, recwarn, limit, refuses):
    path = save_image(tmp_path / "a.png")  # 2400 pixels; Pillow warns above its limit and stops above twice
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert isinstance(one(ENCODERS["image"], path), Undecodable) == refuses
    assert (look(path, "image") or ("",))[0] == ("huge-image" if refuses else "")
    assert not recwarn.list


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_a_pipe_is_not_waited_for(tmp_path, capfd, modality):
    os.mkfifo(tmp_path / "a.mp4")
    assert refused(tmp_path / "a.mp4", modality, capfd) == "it is no file"
    (tmp_path / "folder.mp4").mkdir()
    assert refused(tmp_path / "folder.mp4", modality, capfd) == "it is no file"
