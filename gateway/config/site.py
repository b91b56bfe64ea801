"""The site file: what all lines of a plant share, and how a line takes it.

Promises
- The line wins over the site, name by name; only security is the site's alone.
- The site file's problems carry its own name and lines.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.config import checks, plugins
from gateway.config.document import Document
from gateway.config.explain import explain
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.schema import LineFileBase, Security, SiteFileBase, site_file

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class Site:
    """What the site file says, or what holds where there is none; `problems` are its own."""

    path: Path | None = None
    file: SiteFileBase | None = None
    document: Document | None = None
    problems: Sequence[Problem] = ()

    @property
    def security(self) -> Security:
        return self.file.security if self.file else Security()

    @property
    def sinks(self) -> Mapping[str, Any]:
        return self.file.sinks if self.file else {}


def read_site(line_path: Path, document: Document) -> Site:
    """The site file that the line names, read and validated."""
    named = document.get("site_file")
    if not isinstance(named, str):
        return Site()
    path = line_path.parent / named
    if not os.path.isfile(path):  # noqa: PTH113 - says no, and does not raise, for any odd name
        where = ("site_file",)
        missing = document.problem(where, f"there is no file {path}", at="value")
        return Site(path, problems=[missing])
    try:
        site = read(path)
    except ConfigProblems as error:
        return Site(path, problems=error.problems)
    if too_new := checks.version(site):
        return Site(path, problems=too_new)
    file, problems = validated(site, site_file())
    return Site(path, file, site, [*problems, *checks.clear_text(site)])


def check_name(document: Document, site: Site) -> list[Problem]:
    """Whether the plant's name is given, and only once or alike."""
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
        if site.file.buffer and "buffer" not in file.model_fields_set:
            update["buffer"] = site.file.buffer
    return file.model_copy(update=update)


def validated(document: Document, model: type[_Model]) -> tuple[_Model | None, Sequence[Problem]]:
    """The document as its model, or what stops it from being one."""
    try:
        # Strict JSON: `yes` is no boolean, "502" no number, but 'high' may be a severity.
        return model.model_validate_json(json.dumps(document.data), strict=True), ()
    except ValidationError as error:
        secrets = {(p.line, p.column) for p in checks.clear_text(document)}
        found = explain(error, document, model)
        return None, [problem for problem in found if (problem.line, problem.column) not in secrets]
