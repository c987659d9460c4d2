"""CMU-MOSI at the level of utterances: transcript, audio and video of spoken film reviews; sentiment.

There are two official splits, with every video whole in one part:

- ``standard``: the sorted video ids, 52 to train, 10 to validate, 31 to test. What the literature reports.
- ``bclstm``: train and test of bc-LSTM (Poria et al., ACL 2017), whose features these are.

bc-LSTM's text and video features are outputs of networks that were trained on the labels of *its* train part,
and most test utterances of the standard split are in that part: there, they would give the answers away.
They go with ``split=bclstm`` only, and that with no other split. Its audio features are openSMILE's, which
knows no labels. Even on the bclstm split, validation utterances are carved from the train part, so that
early stopping sees text and video features that are better than they are on the test part.

Everything is one entity, `utterance`: what is fused is the modalities of one moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.data.arrays import read_npz
from bench.data.published.base import Originals, Printed, Published, read_table, unreadable
from bench.data.splits import OFFICIAL
from bench.data.untrusted import Unreadable
from bench.errors import DataError, UsageError, did_you_mean

VIDEOS = (52, 10, 31)
"""How many of the sorted video ids are in each part of the standard split."""
FEATURES = ("text", "audio", "video")
LEARNED = ("text", "video")
"""The features that were learned from labels of the bclstm split's train part."""
DEFAULT_SOURCES = {"standard": "transcript,audio", "bclstm": "text,audio,video"}
PARTS = ("train", "test")
COLUMNS = ("id", "video_id", "segment", "start_s", "end_s", "sentiment", "transcript", "bclstm")

TEMPLATE = """\
name = "mosi"
description = {description}

[target]
column = "sentiment"
sign = true

[samples]
table = "samples.csv"
id = "id"
group = "video_id"
split = "split"
"""


class Corpus(NamedTuple):
    """The utterances in the order of video id and segment.

    Attributes:
        utterances: texts, with the columns `COLUMNS`; `bclstm` is the part in that split.
        features: for each of `FEATURES` (n, D) float32, aligned with the utterances.
    """

    utterances: pd.DataFrame
    features: dict[str, np.ndarray]


def convert(originals: Originals, folder: Path, settings: Mapping[str, str]) -> None:
    """Write dataset.toml, samples.csv and the chosen features into features.npz."""
    split, sources = _choices(settings)
    utterances, features = _joined(originals) if "labels.csv" in originals else _clones(originals)
    bclstm = utterances["bclstm"].to_numpy()
    parts = bclstm if split == "bclstm" else _standard(utterances["video_id"])
    learned = [source for source in sources if source in LEARNED]
    if split == "standard" and learned:
        _refuse(learned, parts, bclstm)
    samples = utterances.drop(columns="bclstm").assign(split=parts)
    samples.to_csv(folder / "samples.csv", index=False, lineterminator="\n")
    chosen: dict[str, Any] = {name: features[name] for name in sources if name in FEATURES}
    if chosen:
        np.savez(folder / "features.npz", **chosen)
    (folder / "dataset.toml").write_text(
        _description(split, sources, learned), encoding="utf-8", newline="\n"
    )


def _choices(settings: Mapping[str, str]) -> tuple[str, list[str]]:
    """The split and the sources that the settings ask for."""
    split = settings.get("split", "standard")
    if split not in DEFAULT_SOURCES:
        raise UsageError(f"mosi has no split {split!r}; {did_you_mean(split, DEFAULT_SOURCES)}")
    asked = settings.get("sources", DEFAULT_SOURCES[split])
    sources = list(dict.fromkeys(name.strip() for name in asked.split(",")))
    known = ("transcript", *FEATURES)
    for source in sources:
        if source not in known:
            raise UsageError(f"mosi has no source {source!r}; {did_you_mean(source, known)}")
    return split, sources


def _standard(video_ids: pd.Series) -> np.ndarray:
    """(n,) parts of the standard split, which is cut from the sorted list of all videos."""
    videos = sorted(set(video_ids))
    if len(videos) != sum(VIDEOS):
        raise DataError(
            f"the original has {len(videos)} videos where CMU-MOSI has {sum(VIDEOS)}, of which the standard "
            "split is cut; get the original again."
        )
    part = dict(zip(videos, np.repeat(OFFICIAL, VIDEOS).tolist(), strict=True))
    parts: np.ndarray = video_ids.map(part).to_numpy()
    return parts


def _refuse(learned: list[str], standard: np.ndarray, bclstm: np.ndarray) -> None:
    test = standard == "test"
    seen = int((test & (bclstm == "train")).sum())
    raise UsageError(
        f"mosi's {' and '.join(learned)} features were learned from labels of the bclstm train part, which "
        f"holds {seen} of the {int(test.sum())} test utterances of the standard split: a leak.\n"
        f"Use split=bclstm, or sources={DEFAULT_SOURCES['standard']} with the standard split."
    )


def _description(split: str, sources: list[str], learned: list[str]) -> str:
    """The text of dataset.toml."""
    what = (
        f"CMU-MOSI: sentiment, -3 to 3, of utterances in film reviews ({split} split; {', '.join(sources)})"
    )
    lines = [TEMPLATE.format(description=json.dumps(what))]
    if learned:
        features = f"the {' and '.join(learned)} features"
        reason = (
            f"{features} are outputs of networks that were trained on the labels of this split's train part"
        )
        lines[0] += f"fixed = {json.dumps(reason)}\n"
    # an entity has either texts or features of texts; with both asked for, the words are a second entity
    transcript = "transcript" if "text" in sources else "utterance"
    if "transcript" in sources:
        lines.append(f'[entities.{transcript}]\ntext = ["transcript"]\n')
    for name in (name for name in FEATURES if name in sources):
        lines.append(f'[entities.utterance.features.{name}]\nfile = "features.npz"\narray = "{name}"\n')
    return "\n".join(lines)


def _joined(originals: Originals) -> Corpus:
    """A copy in which somebody has joined the two originals: a table, and arrays by its column `row`."""
    path = originals["labels.csv"]
    names = {"utterance_id": "id", "split_bclstm": "bclstm"}
    table = read_table(path, ["row", "utterance_id", *COLUMNS[1:-1], "split_bclstm"]).rename(columns=names)
    try:
        arrays = {name: read_npz(originals["features.npz"], name) for name in (*FEATURES, "label")}
    except Unreadable as error:
        raise unreadable(originals["features.npz"], error) from None
    try:
        rows, sentiment = table["row"].astype(int).to_numpy(), table["sentiment"].astype(float).to_numpy()
    except ValueError as error:
        raise unreadable(path, error) from None
    aligned = (
        all(len(array) == len(table) for array in arrays.values())
        and np.array_equal(np.sort(rows), np.arange(len(table)))
        and np.allclose(arrays["label"][rows], sentiment, atol=1e-5)
    )
    if not aligned:
        raise DataError(f"{path} and features.npz are not of the same utterances; get both again.")
    features = {name: arrays[name][rows].astype(np.float32) for name in FEATURES}
    return _sorted(path, table[list(COLUMNS)], features)


def _clones(originals: Originals) -> Corpus:
    """The two original repositories: transcripts and features of one, times and sentiment of the other."""
    path = originals["data/transcripts.csv"]
    transcripts = read_table(path, ["id", "transcript", "video", "positive"], header=False)
    opinions = read_table(
        originals["OpinionLevelSentiment.csv"],
        ["start_s", "end_s", "video_id", "segment", "sentiment"],
        header=False,
    )
    opinions["id"] = opinions["video_id"] + "_" + opinions["segment"]
    both = sorted(transcripts["id"]), sorted(opinions["id"])
    if both[0] != both[1] or transcripts["id"].duplicated().any():
        raise DataError(
            f"{path} and OpinionLevelSentiment.csv are not of the same utterances; get both again."
        )
    # a feature file has no ids: text_PART.csv names, in the same order, the rows of transcripts.csv
    rows = {part: _numbers(originals[f"data/text_{part}.csv"])[:, 0].astype(int) for part in PARTS}
    order = np.concatenate(list(rows.values()))
    if not np.array_equal(np.sort(order), np.arange(len(transcripts))):
        raise DataError(
            f"{path.parent}/text_train.csv and text_test.csv do not name every row once; get it again."
        )
    part = np.empty(len(order), dtype=object)
    part[order] = np.repeat(PARTS, [len(rows[name]) for name in PARTS])
    features = {}
    for name in FEATURES:
        stacked = np.concatenate([_features(originals, name, p, transcripts, rows[p]) for p in PARTS])
        features[name] = np.empty_like(stacked)
        features[name][order] = stacked
    utterances = transcripts.assign(bclstm=part).merge(opinions, on="id", how="left")
    return _sorted(path, utterances[list(COLUMNS)], features)


def _features(
    originals: Originals, name: str, part: str, transcripts: pd.DataFrame, rows: np.ndarray
) -> np.ndarray:
    """The features of one part: all columns but the last, which is the label."""
    path = originals[f"data/{name}/{name}_{part}0.csv"]
    numbers = _numbers(path)
    positive = transcripts["positive"].to_numpy()[rows]
    if len(numbers) != len(rows) or not (numbers[:, -1].astype(int).astype(str) == positive).all():
        raise DataError(
            f"{path}: its last column is not the label in transcripts.csv; get the original again."
        )
    return numbers[:, :-1].astype(np.float32)


def _numbers(path: Path) -> np.ndarray:
    try:
        numbers: np.ndarray = pd.read_csv(path, header=None).to_numpy(dtype=np.float64)
    except ValueError as error:
        raise unreadable(path, error) from None
    return numbers


def _sorted(path: Path, utterances: pd.DataFrame, features: dict[str, np.ndarray]) -> Corpus:
    """By video and segment, so that every layout gives the same bytes."""
    try:
        segment = utterances["segment"].astype(int)
    except ValueError as error:
        raise unreadable(path, error) from None
    order = np.lexsort((segment.to_numpy(), utterances["video_id"].to_numpy(dtype=str)))
    ordered = {name: values[order] for name, values in features.items()}
    return Corpus(utterances.iloc[order].reset_index(drop=True), ordered)


MOSI = Published(
    name="mosi",
    samples=2199,
    modalities=("text", "audio", "video"),
    task="sentiment of an utterance, -3 to 3, and its sign",
    licence=(
        "no licence file in either repository; the one with the features asks to cite the creators of the "
        "dataset, and its own paper for its code"
    ),
    citation=(
        "Zadeh A., Zellers R., Pincus E., Morency L.-P. (2016). MOSI: Multimodal Corpus of Sentiment "
        "Intensity and Subjectivity Analysis in Online Opinion Videos. arXiv:1606.06259. Features: Poria S., "
        "Cambria E., Hazarika D., Majumder N., Zadeh A., Morency L.-P. (2017). Context-Dependent Sentiment "
        "Analysis in User-Generated Videos. In Proceedings of ACL 2017, pages 873-883. "
        "DOI 10.18653/v1/P17-1081"
    ),
    source=(
        "https://github.com/soujanyaporia/contextual-utterance-level-multimodal-sentiment-analysis",
        "https://github.com/ASA-MOSI/Audio-Sentiment-Analysis",
    ),
    files=(
        (
            "data/transcripts.csv",
            "data/text_train.csv",
            "data/text_test.csv",
            *(f"data/{name}/{name}_{part}0.csv" for name in FEATURES for part in PARTS),
            "OpinionLevelSentiment.csv",
        ),
        ("labels.csv", "features.npz"),
    ),
    convert=convert,
    settings={
        "split": "standard (default) or bclstm",
        "sources": "of transcript, audio, text, video, separated by commas; default: transcript,audio for "
        "standard, text,audio,video for bclstm, the only split that text and video may be used with",
    },
    printed=Printed(
        source="MMSA (github.com/thuiar/MMSA, results/result-stat.md), standard split",
        unlike=(
            "Not like for like: those models read sequences of words with audio and video features for each "
            "word; here are whole transcripts under the text encoder named above and one audio vector per "
            "utterance, without video, whose features at hand leak labels on this split."
        ),
        rows={
            "EF-LSTM": {"MAE": 0.9488, "Pearson": 0.669},
            "LF-DNN": {"MAE": 0.9548, "Pearson": 0.658},
            "TFN": {"MAE": 0.9473, "Pearson": 0.673},
            "LMF": {"MAE": 0.9504, "Pearson": 0.651},
            "MFN": {"MAE": 0.9268, "Pearson": 0.670},
            "MulT": {"MAE": 0.8799, "Pearson": 0.702},
            "MISA": {"MAE": 0.7765, "Pearson": 0.778},
            "Self-MM": {"MAE": 0.7080, "Pearson": 0.796},
        },
        ours={"TFN": "tfn", "LMF": "lmf", "MulT": "mult", "LF-DNN": "late"},
    ),
)
