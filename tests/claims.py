"""The claims: phrases of README.md and results/README.md, each a function of what is committed.

`test_sentences.py` holds the documents to them.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from committed import (
    REFERENCE,
    best,
    metrics_of,
    read,
    samples,
    spelled,
    spreads,
    table,
    value,
    verdict_of,
)
from test_sync_drawn import TOLERANCE

import fusions
from bench.config import load_preset
from bench.data.published import PUBLISHED
from bench.data.schema import Target
from bench.data.synthetic.livestream.factors import CEILING, PRODUCTS
from bench.metrics import METRICS
from bench.plan import Plan
from bench.report.sheet import plain_sheet
from bench.report.tables import at_a_glance
from bench.report.writers import markdown

ROOT = Path(__file__).parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "results" / "README.md"
Claim = Callable[[], str]
CLAIMS: dict[Path, list[Claim]] = {README: [], RESULTS: []}


def claim(document: Path) -> Callable[[Claim], Claim]:
    def add(function: Claim) -> Claim:
        CLAIMS[document].append(function)
        return function

    return add


# --- README -----------------------------------------------------------------------------------------------


def excerpt() -> str:
    """The first rows of the reference comparison, as the terminal shows them."""
    found = table("livestream", "fusion")
    for metric in metrics_of(found):
        found[f"{metric}_sd"] = spreads("livestream", "fusion", metric)
    plan = Plan(
        experiment="fusion", title="", paper="", dataset="", description="", samples=0,
        target=Target(column="y"), preset="", seeds=int(found["seeds"].max()), undecodable=0,
        command="", rows=[],
    )  # fmt: skip
    shown = at_a_glance(plan, found, METRICS).head(5)
    return markdown(plain_sheet("excerpt", "", shown.to_dict("records")))


@claim(README)
def how_many_fusions() -> str:
    return f"trains {spelled(len(fusions.names()))} fusion methods"


@claim(README)
def which_are_checked_against_reference_code() -> str:
    shown = {"mult": "MulT"}
    golden = {path.stem for path in (ROOT / "tests" / "golden").glob("*.npz")}
    names = [shown.get(n, n.upper()) for n in fusions.names() if n in golden]
    others = [shown.get(n, n.upper()) for n in ("memf", "mbt", "gmu") if n not in golden]
    return (
        f"{', '.join(names[:-1])} and {names[-1]} reproduce reference outputs of their authors' code; "
        f"{', '.join(others[:-1])} and {others[-1]} follow their papers without such a check"
    )


@claim(README)
def what_random_weights_look_like() -> str:
    weights = table("livestream", "fusion")["weights"]
    assert (weights[table("livestream", "fusion")["backbone"] != ""] != "").all()
    return f"every table row says so: `{weights[0]}`"


@claim(README)
def how_much_there_is_to_compare() -> str:
    return f"with {samples('livestream')} samples and {spelled(int(best('livestream')['seeds'].max()))} seeds"


@claim(README)
def the_verdict_of_the_reference_run() -> str:
    return verdict_of("livestream", "fusion")


@claim(README)
def ridge_beside_the_fusions() -> str:
    ridge, found = value("livestream", "fusion", method="ridge"), best("livestream")
    better = found["method"][found["MSE"] < ridge].tolist()
    assert best("livestream", reference=True)["method"].iloc[0] == "ridge"
    high = table("livestream", "fusion").set_index("method")["gap_reference_high"]
    shown = [name for name in better if high[name] < 0]
    some = f"; of {', '.join(shown)} that is more than chance" if shown else ", by less than can be shown"
    rest = ", each by more than chance" if shown == better else some
    return (
        f"{spelled(len(better))} of {spelled(len(found))} fusions "
        f"{'has' if len(better) == 1 else 'have'} a "
        f"lower mean error than a ridge on pooled features ({', '.join(better)}){rest}"
    )


def said_of_synchronicity() -> list[str]:
    """What stands above the tables of synchronicity, a sentence or two a line."""
    return re.findall(r"^- (.*)$", read("sync", "tables/sync.md"), flags=re.MULTILINE)


@claim(README)
def how_well_synchronicity_is_recovered() -> str:
    return said_of_synchronicity()[0]


@claim(README)
def what_an_encoder_is_worth() -> str:
    found = table("weights/mosi", "fusion")
    fused = found[~found["reference"]].groupby("text")["MSE"]
    hashed, pretrained = fused.min()[["hashing", "minilm"]]
    assert (fused.max() - fused.min() < hashed - pretrained).all()  # the encoder decides more than the fusion
    return f"the best fusion's MSE is {hashed:.2f} on hashed words and {pretrained:.2f} on MiniLM"


# --- results/README ---------------------------------------------------------------------------------------


@claim(RESULTS)
def how_small_the_preset_is() -> str:
    model = load_preset("quick").model
    return (
        f"width {model.dim}, one layer" if model.layers == 1 else f"width {model.dim}, {model.layers} layers"
    )


@claim(RESULTS)
def what_is_planted() -> str:
    assert sum(PRODUCTS["entity"].values()) == pytest.approx(1 / 3, abs=0.02)
    return (
        f"the best reachable R2 is {CEILING}, a third of what can be explained lies in interactions within "
        "entities"
    )


@claim(RESULTS)
def how_many_streams() -> str:
    return samples("livestream") + " live streams"


def _weighed(folder: str) -> str:
    found = table(f"weights/{folder}", "fusion")
    parts = []
    for _, rows in found[found["weights"] + found["text"] != ""].groupby(["backbone", "text"], sort=False):
        best, floor = (rows[rows["reference"] == kind].sort_values("MSE").iloc[0] for kind in (False, True))
        apart = "" if set(best["letters"]) & set(floor["letters"]) else ", distinguished"
        names = " and ".join(filter(None, [best["backbone"], best["text"]]))
        parts.append(
            f"{names}: {best['method']} {best['MSE']:.3g}, {floor['method']} {floor['MSE']:.3g}{apart}"
        )
    return "; ".join(sorted(parts))


@claim(RESULTS)
def what_weights_do_for_streams() -> str:
    return _weighed("livestream")


@claim(RESULTS)
def what_weights_do_for_houses() -> str:
    return _weighed("houses")


@claim(RESULTS)
def what_weights_do_for_utterances() -> str:
    return _weighed("mosi")


@claim(RESULTS)
def shares_of_the_bare_pass() -> str:
    found = pd.read_csv(REFERENCE / "perf" / "encoders.csv")
    said = [f"{row.encoder.split(' ')[0]} {row.ratio:.2f}" for row in found.itertuples()]
    return ", ".join(said)


VERDICTS = [
    ("livestream", "fusion"), ("livestream", "missing"), ("livestream-entities", "entities"),
    ("livestream-order", "order"), ("livestream-order-modality", "order"), ("tuned", "fusion-tuned"),
    ("livestream-none", "fusion"),
    ("houses", "fusion"),
    ("mosi", "fusion"), ("mosi", "missing"), ("weights/livestream", "fusion"), ("weights/houses", "fusion"),
    ("weights/mosi", "fusion"), ("weights/finetuned", "fusion-finetuned"), ("weights/random", "fusion"),
]  # fmt: skip
"""Folder, experiment: what their tables say stands in the document word for word."""


def _verdict(folder: str, name: str) -> Claim:
    def said() -> str:
        return verdict_of(folder, name)

    said.__name__ = f"verdict_of_{folder}_{name}"
    return said


for _folder, _name in VERDICTS:
    claim(RESULTS)(_verdict(_folder, _name))


def _of_synchronicity(number: int) -> Claim:
    def said() -> str:
        return said_of_synchronicity()[number]

    said.__name__ = f"line_{number}_of_sync"
    return said


for _number in range(len(said_of_synchronicity())):
    claim(RESULTS)(_of_synchronicity(_number))


@claim(RESULTS)
def what_slopes_come_out_as() -> str:
    found = table("sync", "sync-simulate")
    naive, controlled = (_slopes(found, name) for name in ("naive", "controlled"))
    return (
        f"In {found['draws'].iloc[0]} draws of such data, slopes without the controls are off by "
        f"{naive['bias']:+.2f} on average and their 95 % intervals hold what was planted in "
        f"{naive['covered']:.0%}; with the controls by {controlled['bias']:+.2f}, in "
        f"{controlled['covered']:.0%}"
    )


def _slopes(found: pd.DataFrame, model: str) -> pd.Series:
    return found[(found["model"] == model) & (found["level"] == "all")].iloc[0]


@claim(RESULTS)
def how_steady_a_score_is() -> str:
    """Held by tests/test_sync_drawn.py."""
    return (
        "Stored in another way (container, size by a factor of 2, mono or stereo, 44.1 or 48 kHz), a drawn "
        f"video's score changes by {TOLERANCE} at most"
    )


@claim(RESULTS)
def engagement_out_of_sample() -> str:
    found = re.search(r"^sound helps: .*$", read("sync", "tables/synchronicity.md"), flags=re.MULTILINE)
    return found[0]


@claim(RESULTS)
def how_often_training_met_its_cap() -> str:
    met = pd.concat(
        table(folder, "fusion").assign(folder=folder) for folder in ("livestream", "houses", "mosi", "recipe")
    )
    met["runs"] = (met["capped"] * met["seeds"]).round().astype(int)
    cap, often = load_preset("quick").training.epochs, met[met["capped"] > 0.1]
    rows = [f"{r.runs} of {r.seeds} runs of {r.method} on {r.folder}" for r in often.itertuples()]
    if not rows:
        return f"no row met the cap of {cap} epochs in more than a tenth of its runs"
    return (
        f"{' and '.join(rows)} met the cap of {cap} epochs, no other row did in more than a tenth of its runs"
    )


@claim(RESULTS)
def what_the_recipe_changed() -> str:
    before, after = (best(folder).set_index("method")["MSE"] for folder in ("recipe-before", "recipe"))
    lower = (after < before.reindex(after.index)).sum()
    return (
        f"{spelled(lower)} of {spelled(len(after))} fusions have a lower mean MSE than before (mean over "
        f"fusions {after.mean():.3f}, before {before.mean():.3f})"
    )


@claim(RESULTS)
def what_tuning_gained() -> str:
    gain = table("tuned", "fusion-tuned-gain")
    fusions = gain[~gain["reference"]].sort_values("regret", ascending=False)
    held_back = [f"{row.method} ({row.regret:.0%})" for row in fusions.itertuples() if row.regret > 0.05]
    return (
        f"By the recipe {len(fusions) - len(held_back)} of {len(fusions)} fusions lose 5% of their MSE at "
        f"most against settings of their own; held back are {' and '.join(held_back)}."
    )


@claim(RESULTS)
def what_dropping_leaves() -> str:
    kept = best("livestream-gaps")
    kept = kept[kept["variant"] == "keep"]
    sizes = _sizes(table("livestream-gaps", "fusion-seeds"))
    assert np.isfinite(table("livestream-gaps", "fusion")["MSE"]).all()
    return (
        f"leaves {sizes} to learn from and a handful to be tested on: too few to say more than that. Keeping "
        f"them, the best fusion ({kept['method'].iloc[0]}) still reaches R2 {kept['R2_score'].iloc[0]:.2f}"
    )


def _sizes(seeds: pd.DataFrame) -> str:
    n = seeds.groupby("variant")["n_train"].first()
    return f"{n['drop, on complete samples']} of {n['keep']}"


@claim(RESULTS)
def how_much_is_removed() -> str:
    command = re.search(r"Regenerate: `(.*)`", read("livestream-gaps", "tables/fusion.md"))[1]
    share = float(re.search(r"--removed ([\d.]+)", command)[1])
    return f"{share:.0%}".replace("%", " %") + " of all attribute values left empty at random"


@claim(RESULTS)
def the_best_of_houses() -> str:
    references, fused = best("houses", reference=True), best("houses").iloc[0]
    first = references.iloc[0]
    fusion = f"{fused.R2_score:.3f} for the best fusion, {fused.method}"
    return f"R2 {first.R2_score:.3f} for {first.method}, {fusion}"


@claim(RESULTS)
def how_many_houses() -> str:
    return samples("houses") + " real houses"


@claim(RESULTS)
def one_entity_against_all() -> str:
    alone, every = (value("houses", "entities", "R2_score", variant=v) for v in ("only house", ""))
    entities = table("houses", "entities")["variant"].str.startswith("only").sum()
    side = "ahead of" if alone > every else "behind"
    return f"`house` alone (R2 {alone:.3f}) is {side} MEMF with all {spelled(entities)} ({every:.3f})"


@claim(RESULTS)
def what_the_abstract_of_houses_says() -> str:
    return re.search(
        r"visual features .* raised its R by (a factor of \d)", PUBLISHED["houses"].printed.unlike
    )[1]


@claim(RESULTS)
def correlations_on_mosi() -> str:
    found = best("mosi").sort_values("Pearson", ascending=False)
    top = f"{found['Pearson'].iloc[0]:.2f}"
    names = found.loc[found["Pearson"].map("{:.2f}".format) == top, "method"]
    printed = [row["Pearson"] for row in PUBLISHED["mosi"].printed.rows.values()]
    return (
        f"{top} for the best ({', '.join(names)}) against {min(printed):.2f} to {max(printed):.2f} in print"
    )


@claim(RESULTS)
def without_a_source_on_mosi() -> str:
    sources, whole = table("mosi", "missing-sources"), table("mosi", "missing")
    r2 = whole.set_index(["method", "variant"])["R2_score"]
    loss = sources.set_index(["source", "method", "arm"])["loss_R2_score"]
    assert (r2 + loss["utterance.text"].reindex(r2.index) < 0).all()
    return (
        "Without the text every method falls to an R2 below zero; without the audio they lose "
        f"{-loss['utterance.audio'].min():.3f} at most"
    )
