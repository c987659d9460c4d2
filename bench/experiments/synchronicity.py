"""Does synchronicity predict engagement out of sample? Sound, picture, both, crossmodal attention, the score.

For datasets of music and motion whose samples have a score (`bench.sync.engagement` makes them): entities
MOTION, MUSIC and SYNC, beside all else that is known of a post, which every arm sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.compare.frame import Results, Row
from bench.compare.verdict import ONE_SEED, planned, planned_procedure
from bench.experiments.base import Experiment, experiment
from bench.report.captions import provenance, reading
from bench.report.figures.drawing import Drawing
from bench.report.figures.forest import Mark, forest, height
from bench.report.figures.style import TWO_COLUMNS, canvas, metric_label
from bench.variants import Choice, Variant

MOTION, MUSIC, SYNC = "motion", "music", "sync"
WITHOUT, ATTENTION = "concat", "mult"
CONTROLS, AUDIO, VIDEO, BOTH, MUT, SCORED, PLAIN = (
    "controls only", "audio only", "video only", "both, no crossmodal attention", "MuT", "MuT with the score",
    "no crossmodal attention, with the score",
)  # fmt: skip
QUESTIONS = {
    "sound helps": (AUDIO, CONTROLS),
    "picture helps": (VIDEO, CONTROLS),
    "crossmodal attention helps": (MUT, BOTH),
    "the score helps MuT": (SCORED, MUT),
    "the score helps without attention": (PLAIN, BOTH),
}
"""What was asked before any result: the first arm against the second."""


@experiment("synchronicity", title="Engagement from music, motion and synchronicity", ranked=False)
class Synchronicity(Experiment):
    """Arms that see more and more of a video; all see the controls."""

    def applies(self, choice: Choice) -> str:
        """It takes music, motion and a score."""
        lacking = [name for name in (MOTION, MUSIC, SYNC) if name not in choice.schema.entities]
        return f"the dataset has no {lacking[0]!r}; `bench sync run` makes it" if lacking else ""

    def variants(self, choice: Choice) -> list[Variant]:
        """One method per arm."""
        every = tuple(choice.schema.entities)
        seen = {
            CONTROLS: (WITHOUT, (MOTION, MUSIC, SYNC)),
            AUDIO: (WITHOUT, (MOTION, SYNC)),
            VIDEO: (WITHOUT, (MUSIC, SYNC)),
            BOTH: (WITHOUT, (SYNC,)),
            PLAIN: (WITHOUT, ()),
            MUT: (ATTENTION, (SYNC,)),
            SCORED: (ATTENTION, ()),
        }
        variants = []
        for arm, (method, hidden) in seen.items():
            entities = tuple(name for name in every if name not in hidden)
            if not entities:
                continue  # nothing is known but the video
            observe = frozenset({"synchrony"}) if arm == MUT else frozenset()
            variants.append(choice.variant(method, arm=arm, entities=entities, observe=observe))
        return variants

    def verdict(self, results: Results) -> str:
        """The planned questions, at once."""
        rows = arms(results)
        asked = {q: pair for q, pair in QUESTIONS.items() if set(pair) <= set(rows)}
        if results.plan.seeds < 2:
            return ONE_SEED
        if not asked:
            return ""
        gaps = planned(results, rows, asked)
        name = results.primary.name
        said = []
        for question, gap in gaps.items():
            finding = "yes" if gap.found and gap.value < 0 else "no, it harms" if gap.found else "not found"
            said.append(f"{question}: {finding} ({name} {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}])")
        return f"{'; '.join(said)}. ({planned_procedure(results, list(rows.values()), len(asked))}.)"

    def figures(self, results: Results) -> Sequence[Drawing]:
        """The primary metric of every arm."""
        rows = arms(results)
        if not rows:
            return []
        lanes = {name: [Mark.of(row, results.primary, name=name)] for name, row in rows.items()}
        figure = canvas(TWO_COLUMNS, 0.7 + height(len(lanes), 2))
        ax = figure.subplots()
        forest(ax, lanes, 1, results.primary.bounds)
        ax.set_xlabel(metric_label(results.primary, results.plan.target, 60))
        text = f"{provenance(results.plan)} {reading(results.plan)}"
        return [Drawing("synchronicity", results.plan.title, text, figure, self.verdict(results))]


def arms(results: Results) -> dict[str, Row]:
    """Arm -> its row, those with every seed."""
    return {row.row.arm: row for row in results.full(results.finite)}
