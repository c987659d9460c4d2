"""Settings of fine-tuning: learning rates of blocks, and what is refused."""

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.errors import UsageError
from bench.finetuning import Finetuning, finetuning
from bench.methods.finetune import learning_rates


def test_blocks_nearer_to_the_input_learn_slower_or_not_at_all():
    bert = ["embeddings.word.weight", *(f"encoder.layer.{i}.{w}" for i in (0, 1, 10) for w in ("a.w", "a.b"))]
    rates = learning_rates(bert, Finetuning(encoders=("text",), lr=1.0, decay=0.5))
    assert list(rates.values()) == [1 / 8, 1 / 4, 1 / 4, 1 / 2, 1 / 2, 1, 1]
    half = learning_rates(bert, Finetuning(encoders=("text",), lr=1.0, decay=0.5, frozen=0.5))
    assert half == {name: rates[name] for name in bert[3:]}
    resnet = [
        "conv1.weight",
        "bn1.weight",
        "layer1.0.conv1.weight",
        "layer1.1.bn2.bias",
        "layer2.0.conv1.weight",
    ]
    rates = learning_rates(resnet, Finetuning(encoders=("image",), lr=1.0, decay=0.5))
    assert list(rates.values()) == [1 / 8, 1 / 4, 1 / 2, 1 / 2, 1]


@pytest.mark.parametrize(
    ("modalities", "setting", "message"),
    [
        ((), "finetune.lr=1", "no encoder is fine-tuned here; add --finetune"),
        (("text",), "finetune.rate=1", "no such setting; known: lr, decay, frozen"),
        (("text",), "finetune.lr=0", "finetune.lr: .*greater than 0"),
        (("text",), "finetune.frozen=1", "finetune.frozen: .*less than 1"),
        (("text",), "finetune.lr", "finetune.lr: "),
    ],
)
def test_wrong_settings_are_refused(modalities, setting, message):
    with pytest.raises(UsageError, match=message):
        finetuning(modalities, [setting])


def test_it_is_of_the_comparison_of_fusions():
    said = CliRunner().invoke(main, ["run", "--finetune", "text", "--experiment", "order"])
    assert said.exit_code == 2
    assert "--finetune are of the comparison of fusions" in " ".join(said.output.split())
