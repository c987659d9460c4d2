"""What the encoders with a Hugging Face network have in common: text, video and audio ones."""

from __future__ import annotations

import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import torch
from torch import nn

from encoders.base import Network
from encoders.batches import stacked
from encoders.digest import digest_of
from encoders.untrusted import WeightsUnavailable, check_model, first_line, read_object
from encoders.weights import (
    Found,
    Offer,
    folder_weights,
    huggingface_cached,
    huggingface_weights,
    is_complete,
    look_up,
)

if TYPE_CHECKING:
    from transformers import PretrainedConfig

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
HINT = "a Hugging Face model goes by its full name (owner/model) or by a local folder with config.json; "
CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
UNUSED_PARTS = ("pooler.",)
"""Parameters that the last hidden state does not depend on; a checkpoint may lack them."""
LARGEST = 2**32
"""Numbers in a network, 17 GB: what a config.json may ask for."""


def model_name(*short: str) -> Callable[[str], bool]:
    """Whether a name can mean a Hub model, a local model folder, or one of the `short` names @FOLDER."""

    def accepts(name: str) -> bool:
        architecture, at, _ = name.partition("@")
        of_ones_own = bool(at) and architecture in short
        return of_ones_own or (Path(name) / CONFIG).is_file() or HUB_NAME.fullmatch(name) is not None

    return accepts


class HuggingFace(Network):
    """A Hugging Face network, by a short name, a Hub name ("owner/model") or a local folder.

    Pretrained weights come from the Hub or the folder. Random ones need a known architecture: those of
    ``repositories`` are known (base size, see ``default_config``), and a folder's is its config.json. A Hub
    name alone tells no architecture, so without its weights it is an error. ``bert@FOLDER`` is a folder that
    must have weights, and those of this architecture.
    """

    library = "transformers"
    unused = (*UNUSED_PARTS, "mask_emb", "masked_spec_embed")
    repositories: ClassVar[dict[str, str]] = {}
    """The Hub model behind each short name."""
    licences: ClassVar[dict[str, str]] = {}
    """Of their weights, as the models' pages on the Hub say."""
    vocabulary: ClassVar[bool] = False
    """Whether the tokenizer's files are needed."""
    model_types: ClassVar[tuple[str, ...]] = ()
    """The architectures (config.model_type) that the preprocessing is right for; empty: any."""

    def __init__(self, modality: str, name: str, weights: str, **options: Any):
        short, at, folder = name.partition("@")
        self.expected = short if at and short in self.repositories else ""
        place = Path(folder if self.expected else name).expanduser()
        is_folder = bool(self.expected) or (name not in self.repositories and place.is_dir())
        self.folder = place.resolve() if is_folder else None
        super().__init__(modality, name, weights, **options)
        if self.folder:
            prefix = f"{self.expected}@" if self.expected else ""
            self.name, self.asked = f"{prefix}{self.folder.name}", f"{prefix}{self.folder}"

    @abstractmethod
    def default_config(self) -> PretrainedConfig:
        """The architecture of a short name, for random weights."""

    @property
    def offer(self) -> Offer | None:
        """The Hub model of a short name; its size is that of the network's numbers."""
        if self.folder or self.name not in self.repositories:
            return None
        origin = f"huggingface.co/{self.repository}"
        size = 4 * numbers(self.default_config())
        return Offer(self.repository.rpartition("/")[2], origin, size, self.licences[self.name])

    @cached_property
    def architecture(self) -> str:
        """The short name, or what the model's configuration calls its architecture."""
        if self.expected or self.name in self.repositories:
            return self.expected or self.name
        folder = self.found.path if self.found else self.folder
        return str(read_object(folder / CONFIG)["model_type"]) if folder else self.name

    @property
    def repository(self) -> str:
        """The name on the Hub."""
        return self.repositories.get(self.name, self.name)

    def find_weights(self) -> Found | None:
        """The weights in the folder, in the Hub's local cache, or on the Hub, checked before use."""
        if self.expected and self.wanted == "random":
            raise WeightsUnavailable(f"{self.name!r} names its weights, so they cannot be random")
        if self.folder:
            check_model(self.folder)
            self._check_expected(self.folder)
            wanted = "pretrained" if self.expected else self.wanted
            return look_up(self.name, wanted, partial(self._in, self.folder), self._folder_is_incomplete)
        if self.name in self.repositories:
            return self._on_the_hub(self.wanted)
        if self.wanted == "random":
            raise WeightsUnavailable(
                f"{self.name!r} cannot have random weights without its config.json; give a local folder"
            )
        return self._on_the_hub("pretrained")

    def _check_expected(self, folder: Path) -> None:
        """Raise WeightsUnavailable unless the folder's network is of the architecture that the name says."""
        there = read_object(folder / CONFIG)["model_type"]
        if self.expected and there != self.default_config().model_type:
            raise WeightsUnavailable(
                f"{folder} holds a {there} network, not {self.expected}; give it by its path"
            )

    def _on_the_hub(self, wanted: str) -> Found | None:
        found = huggingface_weights(self.repository, self.name, wanted, self.vocabulary)
        if found:
            check_model(found.path)
        return found

    def _in(self, folder: Path) -> Found | None:
        return folder_weights(folder) if is_complete(folder, self.vocabulary) else None

    def _folder_is_incomplete(self) -> NoReturn:
        files = "model.safetensors" + (" or its tokenizer's files" if self.vocabulary else "")
        raise WeightsUnavailable(f"{self.folder} lacks {files}")

    def present(self) -> Found | None:
        """The complete copy in the Hub's local cache, or the folder."""
        if self.folder:
            return self._in(self.folder)
        found = huggingface_cached(self.repository, self.vocabulary)
        if found:
            check_model(found.path)
        return found

    @property
    def source(self) -> str:
        """As for every network; random weights of a folder depend on its config.json too."""
        if self.folder is None or self.found:
            return super().source
        return f"{super().source}, {digest_of(self.folder, (CONFIG,))}"

    @cached_property
    def config(self) -> PretrainedConfig:
        """The architecture. Raises WeightsUnavailable if the preprocessing or the memory does not fit."""
        from transformers import AutoConfig

        folder = self.found.path if self.found else self.folder
        if not folder:
            return self.default_config()
        with loading(folder / CONFIG):
            config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if self.model_types and config.model_type not in self.model_types:
            raise WeightsUnavailable(
                f"{self.name!r} is a {config.model_type} network; as {self.modality} encoder only "
                f"{' and '.join(self.model_types)} networks are supported"
            )
        with loading(folder / CONFIG):
            self.check_size(config)
        return config

    def check_size(self, config: PretrainedConfig) -> None:
        """Raise ValueError if the network would not fit into memory; it is laid out without any."""
        if (found := numbers(config)) > LARGEST:
            raise ValueError(f"its network has {found:,} numbers, more than {LARGEST:,}")

    def build(self) -> nn.Module:
        """The network without any head, float32."""
        from transformers import AutoModel

        config = self.config
        if self.found is None:
            with loading(self.folder or self.name):
                return _laid_out(config).float()
        with loading(self.found.path):
            network: nn.Module
            network, report = AutoModel.from_pretrained(
                self.found.path,
                config=config,
                use_safetensors=True,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
        missing = sorted(key for key in report["missing_keys"] if not key.startswith(UNUSED_PARTS))
        if missing:  # they would be random, and nobody would know
            raise WeightsUnavailable(
                f"the weights of {self.name!r} lack {len(missing)} parameters, such as {missing[0]}; "
                f"{self.found.path} does not hold a plain encoder"
            )
        return network

    def outputs(
        self, network: Callable[..., Any], batch: Sequence[Mapping[str, torch.Tensor]], device: str
    ) -> torch.Tensor:
        """The mean over all tokens of the last hidden state: (B, hidden size).

        Args:
            network: as for every encoder.
            batch: for each item the inputs of the network by name.
            device: as for every encoder.
        """
        return self.states(network, batch, device).mean(dim=1)

    def states(
        self, network: Callable[..., Any], batch: Sequence[Mapping[str, torch.Tensor]], device: str
    ) -> torch.Tensor:
        """The last hidden state of the network, (B, tokens, hidden size)."""
        with loading(self.found.path if self.found else self.folder or self.name):
            inputs = {name: stacked([item[name] for item in batch], device) for name in batch[0]}
            states: torch.Tensor = network(**inputs).last_hidden_state
            return states


def numbers(config: PretrainedConfig) -> int:
    """How many numbers the network of a configuration has; it is laid out without any memory."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = _laid_out(config)
    return sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))


def _laid_out(config: PretrainedConfig) -> nn.Module:
    """The network of a configuration, with random weights."""
    from transformers import AutoModel

    network: nn.Module = AutoModel.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call] # theirs
    return network


@contextmanager
def loading(what: Path | str) -> Iterator[None]:
    """Surrounds what a model from outside decides: it raises WeightsUnavailable only, and prints nothing."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (WeightsUnavailable, torch.OutOfMemoryError):  # the latter is the device's fault
            raise
        except Exception as error:
            raise WeightsUnavailable(
                f"{what} holds no network that can be used ({first_line(error)})"
            ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from reporting on unused heads and from drawing progress bars."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call] # theirs is not typed
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # theirs is not typed
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call] # theirs is not typed
