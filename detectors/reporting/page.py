"""Fills a page from plain values and plots, and puts it into one file that needs nothing else.

Promises
- Everything that is not a plot of ours is escaped: a tag may be named anything.
- The page holds its own style and no script, and tells the browser to fetch and to run nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from detectors.bundle.phrases import format_count, format_hours, format_number
from gateway.api.contracts import ConfigError


def render(template: str, report: Mapping[str, Any], **more: Any) -> str:
    """The page of this report; texts in `more` that are not Markup are escaped as well."""
    environment = Environment(
        loader=PackageLoader("detectors.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "format_hours": format_hours,
        "format_count": format_count,
        "format_number": format_number,
        "when": _when,
    }
    return environment.get_template(template).render(report=report, **more)


def drawn(svg: str) -> Markup:
    """A plot of ours, to stand in a page as it is."""
    return Markup(svg)  # noqa: S704 - it holds numbers and times alone, see plots


def check_file(path: Path) -> None:
    """ConfigError if no report could be written here: said before the work, not after it."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"has no folder {path.parent} to stand in"
        raise ConfigError(f"the report {path} {what}: name a file, as in report.html")


def write(path: Path, page: str) -> None:
    """Put the page into this file; ConfigError if that cannot be done."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def _when(moment: str) -> str:
    """An ISO time as people read it, to the second."""
    return moment[:19].replace("T", " ")
