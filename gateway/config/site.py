"""The site file: settings that all lines of a plant share, and how they merge into a line.

Promises
- The line wins over the site, name by name; only security is set by the site alone.
- Problems of the site file carry its own name and lines.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config import checks, plugins
from gateway.config.document import Document
from gateway.config.explain import explain
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.schema import LineFileBase, SecuritySection, SiteFileBase, site_file

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class Site:
    """The content and the problems of a site file, or the defaults if there is none."""

    path: Path | None = None
    file: SiteFileBase | None = None
    document: Document | None = None
    problems: Sequence[Problem] = ()

    @property
    def security(self) -> SecuritySection:
        return self.file.security if self.file else SecuritySection()

    @property
    def sinks(self) -> Mapping[str, Any]:
        return self.file.sinks if self.file else {}


def read_site(line_path: Path, document: Document) -> Site:
    """The site file that the line names, read and validated."""
    named = document.get("site_file")
    if not isinstance(named, str):
        return Site()
    path = line_path.parent / named
    try:
        site = read(path, partial(document.unreadable, ("site_file",)))
    except ConfigProblems as error:
        return Site(path, problems=error.problems)
    if too_new := checks.version(site):
        return Site(path, problems=too_new)
    file, problems = validated(site, site_file())
    return Site(path, file, site, [*problems, *checks.clear_text(site)])


def check_name(document: Document, site: Site) -> list[Problem]:
    """Problems of the plant's name: missing, or different here and in the site file."""
    written, shared = document.get("site"), site.file.site if site.file else None
    if document.get("site") is None and document.get("site_file") is None:
        hint = "the plant's name, here or in a site file (site_file: site.yaml)"
        return [document.problem(("site",), 'required: "site" is missing', hint)]
    if written and shared and written != shared:
        message = f'is "{written}" here but "{shared}" in {site.path}'
        return [document.problem(("site",), message, "leave it out here", at="value")]
    return []


def merged(file: LineFileBase, site: Site) -> LineFileBase:
    """The line file with the site's name, sinks and buffer filled in, and at least one sink."""
    sinks = {**site.sinks, **file.sinks}
    if not sinks:
        default = plugins.load(plugins.SINKS, "file").Options
        sinks = {"file": default.model_validate({"type": "file"})}
    update: dict[str, Any] = {"sinks": sinks, "site_file": None}
    if site.file:
        update["site"] = file.site or site.file.site
        if site.file.buffer:
            # Key by key: a line that only sets the age keeps the plant's size.
            own = {name: getattr(file.buffer, name) for name in file.buffer.model_fields_set}
            update["buffer"] = site.file.buffer.model_copy(update=own)
    return file.model_copy(update=update)


def validated(document: Document, model: type[_Model]) -> tuple[_Model | None, Sequence[Problem]]:
    """The document as its model, or None and the problems that prevent it."""
    try:
        # Strict JSON: `yes` is not a boolean, "502" not a number, but 'high' may be a severity.
        return model.model_validate_json(json.dumps(document.data), strict=True), ()
    except ValidationError as error:
        secrets = {(p.line, p.column) for p in checks.clear_text(document)}
        problems = explain(error, document, model)
        return None, [p for p in problems if (p.line, p.column) not in secrets]
