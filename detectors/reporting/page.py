"""Rendering of a page from plain values and plots, into one self-contained file.

Promises
- Everything but the plots is escaped: a tag name may contain anything.
- The page has inline styles and no script, and its content policy forbids fetching and scripts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from detectors.bundle.phrases import format_count, format_hours, format_number
from gateway.api.contracts import ConfigError


def render(template: str, report: Mapping[str, Any], **more: Any) -> str:
    """Renders a template with a report; texts in `more` that are not Markup are escaped too."""
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


def safe(svg: str) -> Markup:
    """Marks a plot of `plots` as safe to include unescaped."""
    return Markup(svg)  # noqa: S704 - it contains only numbers and times, see plots


def check_file(path: Path) -> None:
    """ConfigError if a report cannot be written here; checked before the work."""
    if path.is_dir() or not path.parent.is_dir():
        if path.is_dir():
            raise ConfigError(f"the report {path} is a folder: name a file, as in report.html")
        raise ConfigError(f"the folder {path.parent} of the report does not exist: create it")


def write(path: Path, page: str) -> None:
    """Writes the page to a file; ConfigError if that fails."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def _when(moment: str) -> str:
    """Formats an ISO time for people, to the second."""
    return moment[:19].replace("T", " ")
