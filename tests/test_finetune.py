"""Encoders that join the model: the cached path before a step, trained after it, kept, or refused."""

import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from media import save_bert
from torch import nn

import encoders
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.features.joined import ItemBatch, JoinedFeatures, Preparations
from bench.finetuning import read_spec
from bench.methods import catalog
from bench.methods.catalog import CORE, code_of
from bench.methods.finetune import Adapted, Finetuned
from bench.plan import load_plans
from bench.predict import load
from bench.publish import read
from bench.request import Request, resolve
from bench.runner import Job
from bench.sourcecode import PROJECT, reached
from bench.store import RunStore
from bench.trial import parts_of
from bench.workflow import Quiet, prepare, run

CPU = torch.device("cpu")
SMALL = ("training.epochs=2", "model.dim=16", "encoders.image_size=32")
METHOD = "concat"


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    """The configuration of a tiny BERT, whose weights are random."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_bert(folder, weights=False)
    return folder


@pytest.fixture(scope="module")
def request_(bert, tmp_path_factory) -> Request:
    """Streams with several commodities each and a fifth of all values missing."""
    return Request(
        experiments=("fusion-finetuned",), fusions=METHOD,
        encoders={"image": "shufflenet_v2_x0_5", "text": str(bert)},
        data_arguments={"streams": 40, "removed": 0.2}, seeds=1, weights="random", device="cpu",
        executor="inline", finetune=("text", "image"), settings=SMALL, observe=frozenset({"model"}),
        out=tmp_path_factory.mktemp("finetuned"),
    )  # fmt: skip


def jobs_of(request: Request) -> tuple[Job, Job]:
    """The run of the fusion on frozen encoders, and that which trains them."""
    jobs = [j for j in prepare(request, resolve(request), Quiet()).jobs if j.spec.method == METHOD]
    frozen, joined = sorted(jobs, key=lambda job: isinstance(job.features, JoinedFeatures))
    return frozen, joined


@pytest.fixture(scope="module")
def jobs(request_) -> tuple[Job, Job]:
    return jobs_of(request_)


def untrained(job: Job):
    """The method of a run before its first step, with the scales of the training part."""
    method, parts = catalog.build(job.spec, CPU), parts_of(job.spec, job.features)
    if isinstance(method, Finetuned):
        method.encoders = job.features.encoders
    method._build(job.features.layout)
    target = job.features.samples["target"]
    method.model.fit_scales(job.features.batches(parts.train, 64), target[parts.train])
    return method


# -- the same path


def test_before_the_first_step_the_prediction_is_that_of_the_cached_path(jobs):
    frozen, joined = jobs
    everyone = np.arange(40)
    cached, joint = untrained(frozen), untrained(joined)
    expected = cached.predict(frozen.features, everyone)
    np.testing.assert_allclose(joint.predict(joined.features, everyone), expected, atol=1e-5)
    assert not frozen.features.complete.all()  # something is missing
    with torch.no_grad():
        joint.model.encoders["image"].differences["conv1/0/weight"].whole.fill_(100)
    assert np.abs(joint.predict(joined.features, everyone) - expected).max() > 1e-3


def test_what_is_hidden_is_hidden_on_both_paths(jobs):
    frozen, joined = jobs
    rng = np.random.default_rng(0)
    hidden = {source: rng.random(40) < 0.5 for source in frozen.features.folders}
    everyone = np.arange(40)
    expected = untrained(frozen).predict(frozen.features.hiding(hidden), everyone)
    given = untrained(joined).predict(joined.features.hiding(hidden), everyone)
    np.testing.assert_allclose(given, expected, atol=1e-5)


class Letters(encoders.Network):
    """A vector for every letter."""

    library = "torch"

    def find_weights(self):
        return None

    present = find_weights

    def build(self):
        return nn.Embedding(256, 4)

    def prepare(self, item):
        return torch.tensor(list(item.encode()))

    def outputs(self, network, batch, device):
        return network(torch.stack(list(batch)).to(device))


def test_an_item_may_be_a_sequence(tmp_path, rng):
    encoders.register("text", "letters")(Letters)
    texts = ["ab", "abcde", "c", None, "ab", "zz top"] * 8
    frame = pd.DataFrame({"y": rng.normal(size=48), "t": texts, "u": texts[::-1]})
    data = Dataset.from_frames(frame, target="y", entities={"e": {"text": ["t", "u"]}})
    frozen, joined = jobs_of(
        Request(
            experiments=("fusion-finetuned",),
            fusions=METHOD,
            encoders={"text": "letters"},
            data=data,
            seeds=1,
            weights="random",
            device="cpu",
            executor="inline",
            finetune=("text",),
            out=tmp_path,
            settings=SMALL[:2],
        )
    )
    (source,) = joined.features.sources.values()
    assert sorted(source.steps) == [1, 2, 5, 6]
    everyone = np.arange(48)
    expected = untrained(frozen).predict(frozen.features, everyone)
    np.testing.assert_allclose(untrained(joined).predict(joined.features, everyone), expected, atol=1e-5)


# -- training


def backward(method, job: Job, rows: np.ndarray) -> dict[str, torch.Tensor]:
    method.model.train()
    method.model.zero_grad()
    outputs, _ = method.model(job.features.batch(rows))
    (outputs**2).sum().backward()
    return {n: p.grad.clone() for n, p in method.model.named_parameters() if p.grad is not None}


def test_gradients_do_not_depend_on_checkpointing(jobs):
    _, joined = jobs
    how = joined.spec.finetune.model_copy(update={"checkpointing": False})
    plain = untrained(replace(joined, spec=joined.spec.model_copy(update={"finetune": how})))
    again, rows = untrained(joined), np.arange(24)
    assert max(len(b.items) for b in joined.features.batch(rows).values() if isinstance(b, ItemBatch)) > 16
    torch.manual_seed(0)
    expected = backward(plain, joined, rows)
    torch.manual_seed(0)  # of the dropout in trunk and head
    found = backward(again, joined, rows)
    assert found.keys() == expected.keys()
    assert {name.split(".")[1] for name in found if name.startswith("encoders")} == {"image", "text"}
    for name in found:
        torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-4)


def test_gradients_in_bfloat16_are_about_the_same(jobs, monkeypatch):
    """What only a GPU does, done by the CPU, which can."""
    _, joined = jobs
    method, rows = untrained(joined), np.arange(24)
    torch.manual_seed(0)
    expected = backward(method, joined, rows)
    monkeypatch.setattr(Adapted, "_mixed", lambda adapted, device: torch.is_grad_enabled())
    torch.manual_seed(0)
    found = backward(method, joined, rows)
    assert found.keys() == expected.keys()
    # not of pictures: a random network sees them nearly alike, and what sets them apart is in the last bits
    own = torch.cat([expected[name].flatten() for name in found if name.startswith("encoders.text")])
    gap = torch.cat([(found[n] - expected[n]).flatten() for n in found if n.startswith("encoders.text")])
    assert 0 < gap.norm() < 0.15 * own.norm()


def test_a_step_moves_weights_by_their_own_learning_rates(jobs):
    """As far as Adam would with a group of parameters for each rate."""
    _, joined = jobs
    method, lr = untrained(joined), joined.spec.training.lr
    backward(method, joined, np.arange(24))
    torch.optim.Adam(method.model.parameters(), lr=lr).step()
    for modality, top in (("image", "conv5"), ("text", "encoder.layer.0")):
        adapted = method.model.encoders[modality]
        moved = {
            name: float(adapted.differences[name.replace(".", "/")]().detach().abs().max() * scale)
            for name, scale in adapted.scales.items()
        }
        assert max(v for n, v in moved.items() if n.startswith(top)) == pytest.approx(2e-5, rel=0.05)
        assert all(v <= adapted.scales[name] * lr * 1.001 for name, v in moved.items())


def test_of_a_low_rank_few_numbers_are_trained_as_fast(jobs):
    frozen, joined = jobs
    how = joined.spec.finetune.model_copy(update={"rank": 2})
    job, everyone = replace(joined, spec=joined.spec.model_copy(update={"finetune": how})), np.arange(40)
    method, lr = untrained(job), job.spec.training.lr
    expected = untrained(frozen).predict(frozen.features, everyone)
    np.testing.assert_allclose(method.predict(job.features, everyone), expected, atol=1e-5)
    assert method.parameters < untrained(joined).parameters / 5
    backward(method, job, everyone[:24])
    torch.optim.Adam(method.model.parameters(), lr=lr).step()
    adapted, name = method.model.encoders["text"], "encoder.layer.0.output.dense.weight"
    difference = adapted.differences[name.replace(".", "/")]().detach()
    assert torch.linalg.matrix_rank(difference) == 2
    assert difference.std() * adapted.scales[name] == pytest.approx(2e-5, rel=0.5)


def test_networks_stay_in_evaluation_mode_and_are_shared_by_copies(jobs):
    _, joined = jobs
    method = untrained(joined)
    learner = copy.deepcopy(method.model).train()
    for modality, adapted in learner.encoders.items():
        assert adapted.encoder is method.model.encoders[modality].encoder
        assert not adapted.encoder.network("cpu").training
    assert not any("running_mean" in name for name in learner.state_dict() if "encoders" in name)


def test_no_more_than_there_is_room_for_is_kept():
    class Counting(Letters):
        made = 0

        def prepare(self, item):
            self.made += 1
            return super().prepare(item)

    encoder = Counting("text", "counting", "random")
    prepared = Preparations({"text": encoder}, room=2000)
    texts = ["a" * 100, "b" * 100]
    first = [prepared.of("text", text) for text in texts]
    again = [prepared.of("text", text) for text in texts]
    assert encoder.made == 3  # two take more than 2,000 bytes
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert prepared.room >= 0


# -- runs


@pytest.fixture(scope="module")
def done(request_) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.publish.Reading.write_figures", lambda reading, out: [])
        report = run(replace(request_, seeds=2))
        assert not report.summary.failures
        read(report.plans[0], RunStore(request_.out)).write_tables(request_.out)
    return request_.out


def test_frozen_and_fine_tuned_rows_stand_side_by_side(done, request_, tmp_path):
    (plan,) = load_plans(done)
    rows = {row.arm: row for row in plan.rows if row.method == METHOD}
    assert rows[""].weights == "tiny (random), shufflenet_v2_x0_5 (random)"
    assert rows["fine-tuned"].weights == "tiny (random, fine-tuned), shufflenet_v2_x0_5 (random, fine-tuned)"
    assert all("fine-tuned" not in row.weights for row in plan.rows if row.reference)
    table = pd.read_csv(done / "tables" / "fusion-finetuned.csv", keep_default_na=False)
    assert set(table.loc[table["method"] == METHOD, "variant"]) == {"", "fine-tuned"}
    assert [plan.labels()(row) for row in rows.values()] == [METHOD, f"{METHOD} (fine-tuned)"]
    store = RunStore(done)
    frozen, tuned = (store.predictions(rows[arm].runs[0])["y_pred"] for arm in ("", "fine-tuned"))
    assert not np.array_equal(frozen, tuned)
    assert store.measured(rows["fine-tuned"].runs[0])["params"] > 340_000
    text = (done / "tables" / "fusion-finetuned.md").read_text()
    assert "Trained: image and text, learning rate 2e-05, 0.9 times that" in text
    assert "References learn from the frozen features." in text
    assert re.search(r"Fine-tuning changes|No (gain|change) is more than chance", text)


def test_runs_on_frozen_encoders_are_those_of_a_request_without(done, request_, tmp_path):
    (plan,) = load_plans(done)
    plain = replace(request_, experiments=("fusion",), finetune=(), seeds=2, out=tmp_path)
    expected = {job.spec.id for job in prepare(plain, resolve(plain), Quiet()).jobs}
    assert {run for row in plan.rows if not row.arm for run in row.runs} == expected
    trained = {run for row in plan.rows if row.arm for run in row.runs}
    other = replace(request_, seeds=2, settings=(*SMALL, "finetune.lr=1e-4"))
    again = {job.spec.id for job in prepare(other, resolve(other), Quiet()).jobs} - expected
    assert len(trained) == len(again) == 2
    assert not trained & again


def test_only_runs_that_train_encoders_depend_on_the_code_for_it():
    found = reached([PROJECT], [*CORE, "bench.methods.network", "bench.methods.references"])
    assert not [name for name in found if "joined" in name or "finetun" in name]
    assert code_of(METHOD, finetuned=True) != code_of(METHOD)


def test_new_rows_are_predicted_as_the_test_part_was(done, request_):
    (plan,) = load_plans(done)
    row = next(row for row in plan.rows if row.arm)
    table = load(done, METHOD, variant="fine-tuned", device="cpu")
    with pytest.raises(UsageError, match="--variant 'fine-tuned'"):
        load(done, METHOD)
    data = prepare(request_, resolve(request_), Quiet()).jobs[0].features.origin.data
    predicted = table.predict(data_of(request_), ()).set_index("id")
    assert data.name == "livestream"
    for seed, run_id in enumerate(row.runs):
        known = RunStore(done).predictions(run_id).set_index("id")
        given = predicted.loc[known.index, f"seed_{seed}"]
        np.testing.assert_allclose(np.log10(given), known["y_pred"], atol=1e-4)


def test_rows_without_any_picture_are_predicted(done, request_, tmp_path):
    folder = shutil.copytree(data_of(request_).root, tmp_path / "data")
    pictures = list(folder.rglob("*.jpg"))
    assert pictures
    for picture in pictures:
        picture.unlink()
    table = load(done, METHOD, variant="fine-tuned", device="cpu").predict(folder)
    assert len(table) == 40
    assert np.isfinite(table["mean"]).all()


def data_of(request: Request) -> Dataset:
    from bench.data import catalog as datasets

    return datasets.load(request.data, **request.data_arguments)


def test_another_encoder_than_that_which_was_trained_is_refused(done, bert, tmp_path):
    out = shutil.copytree(done, tmp_path / "copy")
    config = json.loads((bert / "config.json").read_text())
    before = (bert / "config.json").read_text()
    try:
        (bert / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
        with pytest.raises(UsageError, match="is not the one that the method was fitted with"):
            load(out, METHOD, variant="fine-tuned", device="cpu")
    finally:
        (bert / "config.json").write_text(before)


def test_a_spec_is_read_as_what_it_is(jobs):
    for job in jobs:
        again = read_spec(job.spec.model_dump_json().encode())
        assert type(again) is type(job.spec)
        assert again.id == job.spec.id


# -- refusals


def test_what_cannot_be_trained_is_refused(request_):
    wrong = [
        (
            replace(request_, encoders={"text": "hashing"}),
            "hashing has no weights that could be trained.*bert",
        ),
        (replace(request_, finetune=("audio",)), "logmel has no weights that could be trained.*wav2vec2"),
        (replace(request_, finetune=("image", "txt")), "--finetune txt: .* did you mean 'text'"),
        (replace(request_, experiments=("fusion",)), "none of the experiments trains encoders"),
    ]
    for request, message in wrong:
        with pytest.raises(UsageError, match=message):
            prepare(request, resolve(request), Quiet())


def test_without_a_name_there_is_nothing_to_be_trained(request_):
    request = replace(request_, finetune=())
    (plan,) = prepare(request, resolve(request), Quiet()).plans
    assert "--finetune" in plan.not_applicable
