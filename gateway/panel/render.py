"""Pages from templates and plain values.

Promises
- Everything but the plots of trend_svg is escaped: a tag name may contain anything.
- No page has an inline script or style, so that the content policy can forbid both.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, **values: Any) -> str:
    """The page of a template."""
    return _environment().get_template(template).render(**values)


def safe(svg: str) -> Markup:
    """Marks a plot of trend_svg, which escapes its texts itself, as one to include unescaped."""
    return Markup(svg)  # noqa: S704 - see trend_svg


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.panel", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
