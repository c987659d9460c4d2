"""Model folders from outside, checked before any library reads them.

transformers runs Python files that a folder brings, after asking on standard input, and follows names of
other models. So the files are read here first, and what would run, lead elsewhere or is damaged is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""The files of a Hugging Face model that are needed: configuration, vocabulary, weights."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
"""The files of weights that run code where they are loaded."""
LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header, the format's own limit."""
LARGEST_CONFIG = 2**22
LEADS_ELSEWHERE = ("auto_map", "backbone", "base_model_name_or_path")
"""Entries of a configuration that name code or another model; "…implementation" may, too."""
COUNTS = (re.compile(r"layers?$|depths?$|blocks$"), 1000), (re.compile(r"^(num|n)_"), 2**20)
"""Entries that count things built one by one, and how many are believed; memory is checked later."""


class WeightsUnavailable(RuntimeError):
    """Weights were asked for and cannot be had or used; the message says where they were sought."""


def check_model(folder: Path) -> None:
    """Read a model folder's configuration and the headers of its weights.

    Raises:
        WeightsUnavailable: it has code, pickles for weights, a link that leads out of it, a damaged file, or
            an architecture that transformers does not have. The message names the file.
    """
    from transformers import CONFIG_MAPPING

    for path in sorted(folder.glob("*")):
        if path.suffix.lower() == ".py":
            raise _refused(path, "a Python file; code that comes with a model is not run")
    pickles = sorted(path for pattern in PICKLES for path in folder.glob(pattern))
    if pickles and not any(folder.glob("*.safetensors")):
        raise _refused(pickles[0], "a pickle, whose loading runs code; get the model as safetensors")
    if (folder / "adapter_config.json").exists():
        raise _refused(folder / "adapter_config.json", "it names another model; merge the adapter into it")
    # the Hub's cache keeps the files of all versions in one place, and links to them
    root = (folder.parents[1] if folder.parent.name == "snapshots" else folder).resolve()
    for path in (path for pattern in MODEL_FILES for path in folder.glob(pattern)):
        if not path.resolve().is_relative_to(root):
            raise _refused(path, "it is a link that leads out of the folder; copy the file")
        if not path.is_file():
            raise _refused(path, "it is no file")
    for name in ("config.json", "tokenizer_config.json"):
        if (path := folder / name).exists():
            _check_entries(path, read_object(path, LARGEST_CONFIG))
    model_type = read_object(folder / "config.json", LARGEST_CONFIG).get("model_type")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        said = "it has no model_type" if model_type is None else f"model_type {model_type!r:.80} is unknown"
        raise _refused(folder / "config.json", f"{said}; transformers has no such network")
    for name in weight_files(folder):
        if (folder / name).is_file():  # one that is missing makes the folder incomplete
            check_safetensors(folder / name)


def weight_files(folder: Path) -> list[str]:
    """The names of a model's safetensors files. Raises WeightsUnavailable if its list is damaged."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return ["model.safetensors"]
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise _refused(index, "it has no weight_map")
    for shard in shards.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise _refused(index, f"{shard!r:.80} is no safetensors file of this folder")
    return sorted(set(shards.values()))


def check_safetensors(path: Path) -> None:
    """Raise WeightsUnavailable unless the file's header is whole and describes what follows it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
            what = "it is empty" if not start else "a pickle?" if start[:1] == b"\x80" else "cut off?"
            raise _refused(path, f"no safetensors header ({what}); get the file again")
        header = _parsed(path, file.read(length))
    for name, tensor in header.items():
        if name != "__metadata__" and not _fits(tensor, size - 8 - length):
            raise _refused(path, f"its tensor {name!r:.80} does not lie within the file; get the file again")


def _fits(tensor: Any, room: int) -> bool:
    if not isinstance(tensor, dict):
        return False
    shape, offsets = (_counts(tensor.get(name)) for name in ("shape", "data_offsets"))
    if shape is None or offsets is None or len(offsets) != 2 or not offsets[0] <= offsets[1] <= room:
        return False
    return math.prod(shape) <= 8 * (offsets[1] - offsets[0])  # a number takes one bit or more


def _counts(value: Any) -> list[int] | None:
    """A list of whole numbers of 0 or more, or None if it is anything else."""
    return value if isinstance(value, list) and all(type(n) is int and n >= 0 for n in value) else None


def read_object(path: Path, largest: int = LARGEST_HEADER) -> dict[str, Any]:
    """The object in a JSON file. Raises WeightsUnavailable, naming the file, if there is none."""
    try:
        if path.stat().st_size > largest:
            raise _refused(path, f"it has more than {largest:,} bytes")
        return _parsed(path, path.read_bytes())
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"no valid JSON ({first_line(error)}); get the file again") from error
    if not isinstance(value, dict):
        raise _refused(path, "its JSON is no object; get the file again")
    return value


def _check_entries(path: Path, config: dict[str, Any]) -> None:
    for key, value in _entries(config):
        if (value and key in LEADS_ELSEWHERE) or ("implementation" in key and "/" in str(value)):
            raise _refused(path, f"{key!r:.80} names code or a model elsewhere, which is not followed")
        for entries, most in COUNTS:
            numbers = value if isinstance(value, list) else [value]
            if entries.search(key) and any(
                isinstance(n, int | float) and not abs(n) <= most for n in numbers
            ):
                raise _refused(path, f"{key!r:.80} is {value!r:.40}, more than {most:,}")


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of nested objects, with its value."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(item)
    if isinstance(value, dict):
        yield from value.items()


def first_line(error: BaseException) -> str:
    """What an exception says, in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:197] + "..."


def _refused(path: Path, why: str) -> WeightsUnavailable:
    return WeightsUnavailable(f"{path} cannot be used: {why}")
