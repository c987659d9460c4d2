"""Small media files and models that tests of encoders make for themselves."""

import av
import numpy as np
import torch
from PIL import Image


def save_image(path, seed=0, size=(60, 40)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size).save(path)
    return path


def save_video(path, frames=12, speed=3, sound=True, noise=0):
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        voice = out.add_stream("aac", rate=22050, layout="mono") if sound else None
        for t in range(frames):
            pixels = np.full((48, 64, 3), 40 + noise, np.uint8)
            pixels[10:30, t * speed % 44 : t * speed % 44 + 20] = 220
            out.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(picture.encode())
        if voice:
            wave = np.sin(np.arange(22050) * 0.1 * speed).astype(np.float32)[None] / 3
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate = 22050
            out.mux(voice.encode(frame))
            out.mux(voice.encode())
    return path


def save_sound(path, wave, rate=8000):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        if len(wave):
            samples = (wave * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = rate
            out.mux(stream.encode(frame))
            out.mux(stream.encode())
        else:
            out.start_encoding()
    return path


def save_bert(folder, weights=True):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = BertModel(config).eval()
    folder.mkdir(parents=True)
    if weights:
        model.save_pretrained(folder)
    config.save_pretrained(folder)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"全场折鞋abcdefghijkl"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return model


def one(encoder, item):
    """The feature of one item, or why there is none."""
    return next(encoder.encode([item]))


def values(encoder, items):
    """The vectors of items all of which have one."""
    return [result.values for result in encoder.encode(items)]
