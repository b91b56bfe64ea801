"""Elements of an SVG, with classes instead of styles (pure).

Promises
- Texts are escaped, bounded, and their control characters visible.
"""

import html
import re
from collections.abc import Iterable

from gateway.api.visible import brief


def document(
    ident: str,
    kind: str,
    size: tuple[int, int],
    words: tuple[str, str],
    parts: Iterable[str],
) -> str:
    """A picture of a size, with its name and description for those who do not see it."""
    plain, (width, height), (name, description) = _plain(ident), size, words
    labels = f'role="img" aria-labelledby="{plain}-title {plain}-desc"'
    box = f'class="{kind}" viewBox="0 0 {width} {height}"'
    title = f'<title id="{plain}-title">{html.escape(brief(name))}</title>'
    desc = f'<desc id="{plain}-desc">{html.escape(description)}</desc>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} {labels}>'
    return f"{head}{title}{desc}{''.join(parts)}</svg>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place}/>'


def text(x: float, y: float, words: str, kind: str) -> str:
    """Words, at an anchor that the class chooses."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(brief(words))}</text>'


def path(element: str, places: Iterable[tuple[float, float]], kind: str) -> str:
    """A polyline or a polygon."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<{element} class="{kind}" points="{points}"/>'


def _plain(ident: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", ident)
