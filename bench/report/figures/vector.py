"""An SVG that says its values where the pointer rests, and stands inside a page in the page's colours."""

from __future__ import annotations

import re

from markupsafe import Markup

from bench.report.figures.style import TIP

PIXELS_PER_POINT = 96 / 72
_NO_USE = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_NAMES = re.compile(r'( id="|href="#|url\(#)')
_GREYS = re.compile(r"#([0-9a-f]{2})\1\1\b")


def with_tips(svg: str) -> str:
    """What `bench.report.figures.style.tip` left as an id becomes a title, which a viewer shows."""
    return re.sub(rf'<g id="{TIP}([^"]*)">', r"<g><title>\1</title>", svg)


def inline(svg: str, name: str, label: str) -> Markup:
    """A drawing as part of a page: ids of its own, and greys between the page's text and background.

    Args:
        svg: as matplotlib writes it, with letters as paths: texts from outside are in titles only, escaped.
        name: of the figure, in the ids.
        label: what it shows, for those who cannot see it.
    """
    body = _NO_USE.sub("", svg[svg.index("<svg") :])
    body = _NAMES.sub(rf"\g<1>{name}-", body)
    body = _GREYS.sub(_mixed, body)
    start = Markup('<svg role="img" aria-label="{}"').format(label)
    return start + Markup(body.removeprefix("<svg"))


def size(svg: str) -> tuple[int, int]:
    """Width and height of a drawing in pixels, from its view box, which matplotlib writes in points."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg[:4000])
    if found is None:
        raise ValueError("the SVG has no view box")
    width, height = (round(float(points) * PIXELS_PER_POINT) for points in found.groups())
    return width, height


def _mixed(found: re.Match[str]) -> str:
    """A grey as a mixture of the page's text and background."""
    share = 100 * (1 - int(found[1], 16) / 255)
    return f"color-mix(in srgb, var(--text) {share:.0f}%, var(--page))"
