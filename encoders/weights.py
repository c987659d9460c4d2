"""Where pretrained weights are: in a local cache, on a server, or nowhere; never a long wait to find out.

All weights go the same way, `look_up`: this machine first, then, if the server answers within PROBE_SECONDS,
a download. On this machine they are looked for in the folder that BENCH_WEIGHTS names, if it does, where
torchvision's files and the Hub's folders ``models--owner--model`` lie beside each other; then where torch.hub
keeps its files (TORCH_HOME) or Hugging Face its own (HF_HOME; HF_HUB_OFFLINE is respected); then in installed
packages that carry weights (packaged.py). Only safetensors files are taken from Hugging Face: its older
format is a pickle, and loading a stranger's pickle runs a stranger's code.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from encoders import packaged
from encoders.digest import digest_of, sha256
from encoders.untrusted import MODEL_FILES, WeightsUnavailable, weight_files

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

WEIGHTS = ("auto", "pretrained", "random")
PROBE_SECONDS = 3.0
GET = "; get them where there is a network"
"""How an error goes on after saying why weights are not to be had."""
STALL_SECONDS = 20.0
FOLDER = "BENCH_WEIGHTS"
"""The environment variable that names a folder of weights."""
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")

logger = logging.getLogger("encoders")


@dataclass(frozen=True)
class Found:
    """Pretrained weights on this machine.

    Attributes:
        path: the file or the folder.
        source: what they are, in words without a path of this machine.
        digest: hexadecimal digits that identify their content.
        label: what tables call them; `source` where that is short enough.
        repository: the Hub's name of the model that they are of, where they are one's.
    """

    path: Path
    source: str
    digest: str
    label: str = ""
    repository: str = ""

    @property
    def stamp(self) -> str:
        """What tables say of them: ``IMAGENET1K_V2 11ad3fa6``."""
        return f"{self.label or self.source} {self.digest[:8]}"


class Offer(NamedTuple):
    """Pretrained weights that are published: what tables call them, where, bytes (0: not known), licence."""

    label: str
    origin: str
    size: int
    licence: str


def look_up(
    name: str, wanted: str, local: Callable[[], Found | None], download: Callable[[], Found]
) -> Found | None:
    """Find the weights of `name`, as far as `wanted` asks for it.

    Args:
        name: the encoder, for messages.
        wanted: "auto", "pretrained" or "random".
        local: looks on this machine only; raises WeightsUnavailable for weights that cannot be used.
        download: fetches from the server; raises WeightsUnavailable.

    Returns:
        The weights, or None for random ones ("auto" warns once per name).

    Raises:
        WeightsUnavailable: `wanted` is "pretrained" and they are not to be had.
    """
    if wanted == "random":
        return None
    try:
        return local() or download()
    except WeightsUnavailable as error:
        if wanted == "pretrained":
            raise WeightsUnavailable(
                f"no pretrained weights for {name!r}: {error}{GET} (`bench weights fetch {name} --to DIR`), "
                "and say --weights-dir DIR"
            ) from error
        _warn_random(name, str(error))
        return None


@cache
def _warn_random(name: str, why: str) -> None:
    logger.warning(
        "no pretrained weights for %r: %s. Random weights take their place, and every result says so "
        "(`bench doctor` shows where weights are looked for).",
        name,
        why,
    )


def require(server: str) -> None:
    """Raise WeightsUnavailable unless the server answers."""
    if not answers(server):
        raise WeightsUnavailable(
            f"they are not on this machine, and {urlsplit(server).hostname} does not answer"
        )


@cache
def answers(server: str) -> bool:
    """Whether a web server answers within PROBE_SECONDS; asked once per process.

    Asked in a thread of its own, because a name look-up or a proxy can hang beyond any timeout of a socket.
    """
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(server, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError:  # an answer too, the download will tell whether a useful one
            pass
        except (OSError, ValueError, http.client.HTTPException):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


def bring(found: Found, folder: Path) -> Path:
    """Copy weights into a folder that BENCH_WEIGHTS may name, on any machine; where they lie in it."""
    if not found.repository:
        return _copied(found.path, folder / found.path.name)
    home = folder / f"models--{found.repository.replace('/', '--')}"
    snapshot = home / "snapshots" / found.digest
    single = found.path.is_file()
    files = [found.path] if single else [p for pattern in MODEL_FILES for p in found.path.glob(pattern)]
    for path in files:
        _copied(path, snapshot / path.name)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs/main").write_text(found.digest, encoding="utf-8")
    return snapshot


def _copied(path: Path, to: Path) -> Path:
    """A copy of what a path leads to; under its own name only once it is whole."""
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.part")
    shutil.copyfile(path, part)
    return part.replace(to)


def places() -> dict[str, Path]:
    """Where weights are looked for: whose they are, and the folder. TORCH_HOME and HF_HOME move them."""
    named = {FOLDER: Path(own)} if (own := os.environ.get(FOLDER)) else {}
    return {**named, "torchvision": checkpoints(), "Hugging Face": hub_cache()}


def own_folder() -> Path | None:
    """The folder of weights that BENCH_WEIGHTS names. Raises WeightsUnavailable if it is none."""
    name = os.environ.get(FOLDER)
    if not name:
        return None
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        raise WeightsUnavailable(f"{FOLDER} names {folder}, which is no folder; correct it, or unset it")
    return folder


# ------------------------------------------------------------------------------------------- torchvision


def checkpoints() -> Path:
    """The folder where torch.hub keeps downloaded weights."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def torchvision_weights(name: str, wanted: str, member: str = "") -> Found | None:
    """The weights of a torchvision model: those called `member`, or its default ones, or others there."""

    def download() -> Found:
        import torch

        require("https://download.pytorch.org/models/")
        entry = next(iter(torchvision_members(name, member)), None)
        if entry is None:
            raise WeightsUnavailable("torchvision has none")
        found = _torchvision_found(entry, checkpoints())
        logger.info("downloading %s", entry.url)
        try:
            found.path.parent.mkdir(parents=True, exist_ok=True)
            with _stalled_connections_fail():
                torch.hub.download_url_to_file(entry.url, str(found.path), found.digest, progress=False)
        except (OSError, RuntimeError) as error:  # RuntimeError: the file does not have the announced digest
            raise WeightsUnavailable(f"download of {entry.url} failed ({error})") from error
        return found

    shown = f"{name}:{member}" if member else name
    return look_up(shown, wanted, lambda: torchvision_cached(name, member), download)


def torchvision_cached(name: str, member: str = "") -> Found | None:
    """A model's weights on this machine, if they are those that torchvision publishes under their name.

    Raises WeightsUnavailable if there are only others.
    """
    folders = [folder for folder in (own_folder(), checkpoints()) if folder and any(folder.glob("*.pth"))]
    if not folders and not packaged.serves(name):  # spares the import of torchvision, which takes seconds
        return None
    members = torchvision_members(name, member)
    known = [_torchvision_found(entry, folder) for entry in members for folder in folders]
    there = [found for found in known if found.path.is_file()]
    for found in there:
        if sha256(found.path).startswith(found.digest):
            return found
    for entry in members:
        if path := packaged.checkpoint(_file_name(entry.url)):
            return _torchvision_found(entry, path.parent)
    if there:
        path = there[0].path
        raise WeightsUnavailable(
            f"{path} is not what torchvision publishes (its SHA-256 begins with {sha256(path)[:8]}); "
            f"delete it, or use it under its own name as {name}@FILE"
        )
    return None


def torchvision_members(name: str, member: str = "") -> list[WeightsEnum]:
    """The published weights of a model, torchvision's default first; only those called `member`, if given."""
    from torchvision.models import get_model_weights

    published = get_model_weights(name)
    default = getattr(published, "DEFAULT", None)
    found = sorted(published, key=lambda entry: entry is not default)
    return [entry for entry in found if member in ("", entry.name)]


def torchvision_digest(member: WeightsEnum) -> str:
    """The first digits of the SHA-256 of published weights; torchvision ends the names of files with them."""
    digest = re.search(r"-([0-9a-f]+)\.pth$", _file_name(member.url))
    return digest[1] if digest else ""


def _torchvision_found(member: WeightsEnum, folder: Path) -> Found:
    return Found(folder / _file_name(member.url), str(member), torchvision_digest(member), member.name)


def _file_name(url: str) -> str:
    return urlsplit(url).path.rsplit("/", 1)[-1]


@contextmanager
def _stalled_connections_fail() -> Iterator[None]:
    """torch.hub sets no timeout of its own, so a stalled download would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


# ------------------------------------------------------------------------------------------ Hugging Face


def hub_cache() -> Path:
    """The folder where Hugging Face keeps downloaded models."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def huggingface_weights(repository: str, name: str, wanted: str, vocabulary: bool) -> Found | None:
    """The weights of a model on the Hugging Face Hub, as a folder; `vocabulary`: its tokenizer is needed."""

    def download() -> Found:
        from huggingface_hub import snapshot_download

        with _downloading(repository):
            snapshot_download(repository, allow_patterns=list(MODEL_FILES))
        found = huggingface_cached(repository, vocabulary)
        if found is None:
            raise WeightsUnavailable(
                f"{repository} offers no safetensors weights (and pickles are not loaded)"
            )
        return found

    return look_up(name, wanted, lambda: huggingface_cached(repository, vocabulary), download)


def huggingface_cached(repository: str, vocabulary: bool) -> Found | None:
    """The newest complete copy of a Hub model on this machine; reads no network."""
    for config in _cached(repository, "config.json"):
        folder = config.parent  # snapshots/COMMIT
        if is_complete(folder, vocabulary):
            return _of_the_hub(folder, repository, folder.name)
    if carried := packaged.model(repository):
        return _of_the_hub(carried[0], repository, carried[1])
    return None


def _of_the_hub(folder: Path, repository: str, digest: str) -> Found:
    return Found(folder, repository, digest, repository.rpartition("/")[2], repository)


def hub_file(repository: str | None, file: str, label: str, name: str, wanted: str) -> Found | None:
    """One safetensors file of a repository on the Hub, which tables call `label`."""

    def download() -> Found:
        from huggingface_hub import hf_hub_download

        if not repository:
            raise WeightsUnavailable(
                "none are published on the Hugging Face Hub; get them, and say NAME@FILE"
            )
        with _downloading(repository):
            path = Path(hf_hub_download(repository, file))
        return Found(path, repository, path.parent.name, label, repository)

    return look_up(name, wanted, lambda: hub_file_cached(repository, file, label), download)


def hub_file_cached(repository: str | None, file: str, label: str) -> Found | None:
    """The same on this machine."""
    if not repository:
        return None
    paths = _cached(repository, file)
    return next((Found(path, repository, path.parent.name, label, repository) for path in paths), None)


def _cached(repository: str, file: str) -> Iterator[Path]:
    """A file of the newest snapshot of a repository, wherever there is one."""
    from huggingface_hub import try_to_load_from_cache

    for folder in (own_folder(), hub_cache()):
        if folder and isinstance(path := try_to_load_from_cache(repository, file, cache_dir=folder), str):
            yield Path(path)


@contextmanager
def _downloading(repository: str) -> Iterator[None]:
    """Surrounds a download from the Hub: whatever stands in its way becomes WeightsUnavailable."""
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE:
        raise WeightsUnavailable(f"{repository} is not on this machine, and HF_HUB_OFFLINE is set")
    require(constants.ENDPOINT)
    logger.info("downloading %s from %s", repository, constants.ENDPOINT)
    try:
        yield
    except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined] # is there
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsUnavailable(f"download of {repository} failed ({line})") from error


def is_complete(folder: Path, vocabulary: bool) -> bool:
    """Whether a model folder has its configuration, all its safetensors files, and a vocabulary if needed.

    Raises WeightsUnavailable if the list of these files is damaged.
    """
    if not (folder / "config.json").is_file():
        return False
    if vocabulary and not any((folder / file).is_file() for file in VOCABULARY_FILES):
        return False
    return all((folder / name).is_file() for name in weight_files(folder))


def folder_weights(folder: Path) -> Found:
    """The weights in a local model folder, with the digest of all files that matter."""
    return Found(folder, folder.name, digest_of(folder, MODEL_FILES))
