"""`bench encode`, its plan, and `bench weights`: what there is, what a run needs, how it gets elsewhere."""

import json
import re

import pytest
import torch
from click.testing import CliRunner
from media import save_bert

import encoders
from bench.cli import main
from encoders import weights as weights_module

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")
SMALL = [
    "--set", "encoders.image_size=32", "--backbone", "resnet18", "--executor", "inline", "--device", "cpu",
]  # fmt: skip


def bench(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def encoded(said):
    return int(re.search(r"(\d+) items encoded\.$", said)[1])


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A machine whose caches hold resnet18 and bert, made here, and which answers to nobody else."""
    from torchvision.models import resnet18

    (tmp_path / "torch/hub/checkpoints").mkdir(parents=True)
    torch.save(resnet18().state_dict(), tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth")
    monkeypatch.setattr(weights_module, "sha256", lambda path: "f37072fd" + 56 * "0")
    home = tmp_path / "hub/models--google-bert--bert-base-chinese"
    save_bert(home / "snapshots/c0ffee")
    (home / "refs").mkdir()
    (home / "refs/main").write_text("c0ffee")


# -------------------------------------------------------------------------------------------- encode


def test_the_plan_counts_what_is_not_encoded_and_encodes_nothing(stream_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    options = ["--data", stream_folder, "--weights", "random", *SMALL]
    for _ in range(2):
        planned = bench("encode", "--plan", *options)
        assert "an estimate" in planned
        assert "motion" in planned
        assert "Nothing is to be encoded" not in planned
    assert encoded(bench("encode", *options)) > 100
    assert encoded(bench("encode", *options)) == 0
    assert bench("encode", "--plan", *options).endswith("Nothing is to be encoded.")


def test_the_plan_is_of_the_encoders_that_would_be_used(stream_folder):
    planned = bench("encode", "--plan", "--data", stream_folder, "--text", "bert", *SMALL)
    assert "hashing, which needs none, takes the place of bert" in planned
    assert "resnet18 (random)" in planned


# ------------------------------------------------------------------------------------------- weights


def test_weights_are_listed_with_licence_size_and_whether_they_are_here(hub):
    rows = {row["encoder"]: row for row in json.loads(bench("weights", "list", "--json"))}
    assert set(rows) >= {"bert", "xlnet", "minilm", "resnet50", "mobilenet_v2", "videomae", "wav2vec2"}
    assert all(row["licence"] and row["from"] and row["MB"] for row in rows.values())
    here = {name for name, row in rows.items() if row["here"] == "yes"}
    assert here == {"resnet18", "bert"}
    assert rows["resnet18"]["weights"] == "IMAGENET1K_V1 f37072fd"
    assert 400 < int(rows["xlnet"]["MB"]) < 500


def test_what_a_run_needs_is_checked(hub, stream_folder):
    needs = ["weights", "check", "--data", stream_folder]
    said = bench(*needs, "--backbone", "resnet18", "--text", "bert")
    assert "All weights that this run needs are here" in said
    said = bench(*needs, "--backbone", "resnet18,resnet50", "--text", "xlnet", code=1)
    assert "Not here: xlnet, resnet50. `bench weights fetch xlnet resnet50 --to DIR`" in said
    assert "No encoder of this run has weights" in bench(*needs, "--weights", "random")
    paper = bench(*needs, "--preset", "paper", "--experiment", "fusion,backbones", code=1)
    for name in ("videomae", "wav2vec2", "xlnet", "densenet121"):
        assert name in paper.partition("Not here:")[2]


def test_weights_are_brought_to_another_machine(hub, tmp_path, monkeypatch):
    before = [encoders.get(*who) for who in (("image", "resnet18"), ("text", "bert"))]
    expected = [(encoder.stamp, encoder.fingerprint) for encoder in before]
    said = bench("weights", "fetch", "resnet18", "bert", "--to", tmp_path / "stick")
    assert "bench run --weights-dir stick" in said
    assert not any(path.is_symlink() for path in (tmp_path / "stick").rglob("*"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "nowhere"))
    assert encoders.get("image", "resnet18").stamp == "resnet18 (random)"
    monkeypatch.setenv("BENCH_WEIGHTS", "")  # which the option sets, and the end of the test takes back
    rows = json.loads(bench("weights", "list", "--json", "--weights-dir", tmp_path / "stick"))
    assert {row["encoder"] for row in rows if row["here"] == "yes"} == {"resnet18", "bert"}
    after = [encoders.get(*who) for who in (("image", "resnet18"), ("text", "bert"))]
    assert [(encoder.stamp, encoder.fingerprint) for encoder in after] == expected


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hashing", "hashing needs no weights"),
        ("resnet50", "download.pytorch.org does not answer"),
        ("someone/model", "huggingface.co does not answer"),
        ("resnet51", "no text encoder 'resnet51'"),
    ],
)
def test_what_cannot_be_fetched_is_a_line(name, says, tmp_path):
    assert says in bench("weights", "fetch", name, "--to", tmp_path / "stick", code=2)
    assert not (tmp_path / "stick").exists()


@pytest.mark.parametrize(
    "how",
    [["--text", "someone/model"], ["--backbone", "resnet50:IMAGENET1K_V2"], ["--weights", "pretrained"]],
)
def test_a_run_without_its_weights_says_what_to_do(how, stream_folder, tmp_path):
    said = bench("run", "--data", stream_folder, "--out", tmp_path, "--fusion", "concat", *how, code=2)
    assert "no pretrained weights for" in said
    assert "bench weights fetch" in said
    assert "--weights-dir DIR" in said
