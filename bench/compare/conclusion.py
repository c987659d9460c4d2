"""What a comparison of every pair allows to be said, in sentences."""

from __future__ import annotations

from bench.compare.bayes import SURE, chances
from bench.compare.field import Field
from bench.compare.verdict import resolution


def conclusion(field: Field, rope: float) -> str:
    """Which is best, which differ from it, which may be the best, which are practically as good."""
    found, best = field.found, field.found.best
    others = {name: found.gap(name, best) for name in found.order if name != best}
    worse = [name for name, gap in others.items() if gap.found]
    same = [gap for gap in others.values() if not gap.found]
    way = "Lowest" if found.lower_is_better else "Highest"
    said = [f"{way} mean {field.metric.name}: {best}."]
    said += [f"Distinguished from it: {', '.join(worse)}."] if worse else []
    if same:
        which = "The others cannot be" if worse else "No other can be distinguished from it"
        said.append(f"{which}: {resolution(same)}.")
    candidates = found.candidates()
    said += [f"May be the best: {', '.join(candidates)}."] if len(candidates) < len(found.names) else []
    equal = [name for name in others if chances(found, name, best, rope).same >= SURE]
    which = ", ".join(equal) if equal else "none"
    said.append(f"Practically as good (within {rope:g}, probability {SURE:g} or more): {which}.")
    return " ".join([*said, f"({field.procedure}.)"])
