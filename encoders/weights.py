"""Where pretrained weights are: in a local cache, on a server, or nowhere; never a long wait to find out.

Both kinds of weights go the same way, `look_up`: local caches first, then, if the server answers within
PROBE_SECONDS, a download. torchvision's files are looked for where torch.hub keeps them (TORCH_HOME), Hugging
Face's in its own cache (HF_HOME; HF_HUB_OFFLINE is respected). Only safetensors files are taken from Hugging
Face: its older format is a pickle, and loading a stranger's pickle runs a stranger's code.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from encoders.untrusted import MODEL_FILES, WeightsUnavailable, weight_files

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

WEIGHTS = ("auto", "pretrained", "random")
PROBE_SECONDS = 3.0
STALL_SECONDS = 20.0
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")

logger = logging.getLogger("encoders")


@dataclass(frozen=True)
class Found:
    """Pretrained weights on this machine.

    Attributes:
        path: the file (torchvision) or the folder (Hugging Face).
        source: what they are, in words without a path of this machine.
        digest: hexadecimal digits that identify their content.
    """

    path: Path
    source: str
    digest: str


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
                f"no pretrained weights for {name!r}: {error}; get them, or use --weights auto or random"
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


def places() -> dict[str, Path]:
    """Where weights are looked for: whose they are, and the folder. TORCH_HOME and HF_HOME move them."""
    from huggingface_hub import constants

    return {"torchvision": checkpoints(), "Hugging Face": Path(constants.HF_HUB_CACHE)}


# ------------------------------------------------------------------------------------------- torchvision


def checkpoints() -> Path:
    """The folder where torch.hub keeps downloaded weights."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def torchvision_weights(name: str, wanted: str) -> Found | None:
    """The ImageNet weights of a torchvision model: torchvision's default ones, or others already there."""

    def download() -> Found:
        import torch

        require("https://download.pytorch.org/models/")
        member = next(iter(_torchvision_members(name)), None)
        if member is None:
            raise WeightsUnavailable("torchvision has none")
        found = _torchvision_found(member)
        logger.info("downloading %s", member.url)
        try:
            found.path.parent.mkdir(parents=True, exist_ok=True)
            with _stalled_connections_fail():
                torch.hub.download_url_to_file(member.url, str(found.path), found.digest, progress=False)
        except (OSError, RuntimeError) as error:  # RuntimeError: the file does not have the announced digest
            raise WeightsUnavailable(f"download of {member.url} failed ({error})") from error
        return found

    return look_up(name, wanted, lambda: torchvision_cached(name), download)


def torchvision_cached(name: str) -> Found | None:
    """A model's weights in torch.hub's folder, if they are those that torchvision publishes under their name.

    Raises WeightsUnavailable if there are only others.
    """
    if not any(checkpoints().glob("*.pth")):  # spares the import of torchvision, which takes seconds
        return None
    there = [found for m in _torchvision_members(name) if (found := _torchvision_found(m)).path.is_file()]
    for found in there:
        if sha256(found.path).startswith(found.digest):
            return found
    if there:
        path = there[0].path
        raise WeightsUnavailable(
            f"{path} is not what torchvision publishes (its SHA-256 begins with {sha256(path)[:8]}); "
            f"delete it, or use it under its own name as {name}@FILE"
        )
    return None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, computed once per process as long as it does not change."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _torchvision_members(name: str) -> list[WeightsEnum]:
    """The published weights of a model, torchvision's default first."""
    from torchvision.models import get_model_weights

    published = get_model_weights(name)
    default = getattr(published, "DEFAULT", None)
    return sorted(published, key=lambda member: member is not default)


def _torchvision_found(member: WeightsEnum) -> Found:
    file = _file_name(member.url)
    digest = re.search(r"-([0-9a-f]+)\.pth$", file)  # torchvision ends file names with their SHA-256
    return Found(checkpoints() / file, str(member), digest[1] if digest else "")


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


def huggingface_weights(repository: str, name: str, wanted: str, vocabulary: bool) -> Found | None:
    """The weights of a model on the Hugging Face Hub, as a folder; `vocabulary`: its tokenizer is needed."""
    from huggingface_hub import constants, errors, snapshot_download

    def download() -> Found:
        if constants.HF_HUB_OFFLINE:
            raise WeightsUnavailable(f"{repository} is not on this machine, and HF_HUB_OFFLINE is set")
        require(constants.ENDPOINT)
        logger.info("downloading %s from %s", repository, constants.ENDPOINT)
        try:
            snapshot_download(repository, allow_patterns=list(MODEL_FILES))
        except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined] # is there
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise WeightsUnavailable(f"download of {repository} failed ({line})") from error
        found = huggingface_cached(repository, vocabulary)
        if found is None:
            raise WeightsUnavailable(
                f"{repository} offers no safetensors weights (and pickles are not loaded)"
            )
        return found

    return look_up(name, wanted, lambda: huggingface_cached(repository, vocabulary), download)


def huggingface_cached(repository: str, vocabulary: bool) -> Found | None:
    """The newest complete copy of a Hub model in the local cache; reads no network."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repository, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent  # snapshots/COMMIT
    return Found(folder, repository, folder.name) if is_complete(folder, vocabulary) else None


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


def digest_of(folder: Path, patterns: tuple[str, ...]) -> str:
    """16 hexadecimal digits over the names and the content of the files that match, whatever their order."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
