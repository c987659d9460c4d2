"""Genuine weights that packages carry (`make weights`): pinned, and they know what photographs show."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from media import one, save_image

import encoders
from encoders import WeightsUnavailable, packaged
from encoders.packaged import Packaged


def installed(encoder):
    """Skip the test unless the package that carries weights for an encoder is installed."""
    package = next(p for p in packaged.PACKAGES if p.encoder == encoder)
    if find_spec(package.module) is None:
        pytest.skip(f"{package.requirement} is not installed (make weights)")
    return package


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Caches are empty and nobody answers; installed packages are there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("encoders.weights.answers", lambda server: False)


def photograph(package, *parts):
    """A photograph that another package brings for its examples; it is found without importing that."""
    spec = find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)), *parts)


@pytest.mark.parametrize(
    ("package", "file", "name"),
    [
        ("sklearn", "datasets/images/china.jpg", "palace"),
        ("skimage", "data/coffee.png", "espresso"),
        ("skimage", "data/chelsea.png", "Egyptian cat"),
        ("skimage", "data/camera.png", "tripod"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_mobilenet_names_photographs_right(package, file, name):
    from torchvision.models import MobileNet_V2_Weights

    folder = installed("mobilenet_v2").present()
    picture = photograph(package, *file.split("/"))
    encoder = encoders.get("image", "mobilenet_v2")
    assert encoder.stamp == "mobilenet_v2 (IMAGENET1K_V1 b0353104)"
    state = torch.load(folder / "mobilenet_v2-b0353104.pth", weights_only=True)
    scores = state["classifier.1.weight"].numpy() @ one(encoder, picture).values
    best = int(np.argmax(scores + state["classifier.1.bias"].numpy()))
    assert MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"][best] == name


@pytest.mark.usefixtures("offline")
def test_minilm_ranks_paraphrases_above_the_unrelated():
    installed("minilm")
    encoder = encoders.get("text", "minilm")
    assert encoder.stamp == "minilm (all-MiniLM-L6-v2 53aa5117)"
    pairs = [
        ("A man is playing a guitar on stage.", "Someone performs music with a guitar in front of people."),
        ("The flat has three bedrooms and a large kitchen.", "A big kitchen and 3 rooms to sleep in."),
        ("Shares of the bank fell sharply on Monday.", "The bank's stock price dropped as the week began."),
        ("How do I reset my password?", "I forgot my login and need a new one."),
    ]  # fmt: skip
    vectors = np.array([[one(encoder, text).values for text in pair] for pair in pairs])
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    likeness = vectors[:, 0] @ vectors[:, 1].T
    paraphrases = np.diag(likeness)
    unrelated = likeness[~np.eye(len(pairs), dtype=bool)]
    assert paraphrases.min() > unrelated.max() + 0.2


@pytest.mark.usefixtures("offline")
def test_minilm_pools_as_sentence_transformers_do():
    """The mean of the last hidden state over the mask of a padded batch, as 1_Pooling/config.json says."""
    from transformers import AutoModel, AutoTokenizer

    folder = installed("minilm").present()
    texts = ["Short.", "A much longer sentence, which has to be padded to by the other one."]
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    expected = ((states * mask).sum(1) / mask.sum(1)).numpy()
    encoder = encoders.get("text", "minilm")
    for text, vector in zip(texts, expected, strict=True):
        np.testing.assert_allclose(one(encoder, text).values, vector, atol=1e-5)


# ----------------------------------------------------------------------------- made here, on any machine


@pytest.fixture
def carried(tmp_path, monkeypatch):
    """A package with weights of resnet18, known to `packaged` by the digest of its file."""
    from torchvision.models import resnet18

    folder = tmp_path / "site/carrier_of_weights"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('a package of weights is not imported')")
    file = folder / "inner/resnet18-f37072fd.pth"
    torch.save(resnet18().state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    package = Packaged(
        "resnet18", "carrier==1", "carrier_of_weights", "inner", {file.name: digest}, "", "none"
    )
    monkeypatch.setattr(packaged, "PACKAGES", (package,))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return file


@pytest.mark.usefixtures("offline")
def test_weights_of_a_package_are_found_without_importing_it(carried, tmp_path):
    encoder = encoders.get("image", "resnet18", weights="pretrained")
    assert encoder.stamp == "resnet18 (IMAGENET1K_V1 f37072fd)"
    assert encoder.present().path == carried
    assert one(encoder, save_image(tmp_path / "picture.png")).values.shape == (512,)
    assert encoders.get("image", "resnet50").stamp == "resnet50 (random)"


@pytest.mark.usefixtures("offline")
def test_weights_of_a_package_that_are_not_what_they_were_are_refused(carried):
    with carried.open("ab") as file:
        file.write(b"more")
    with pytest.raises(WeightsUnavailable, match=r"f37072fd\.pth of carrier==1 is missing or not what"):
        _ = encoders.get("image", "resnet18", weights="pretrained").stamp
    carried.unlink()
    with pytest.raises(WeightsUnavailable, match="install the package again"):
        _ = encoders.get("image", "resnet18", weights="pretrained").stamp
