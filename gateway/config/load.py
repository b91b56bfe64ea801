"""From a line file to a checked line, with what the site file shares merged in.

Promises
- All problems of both files come at once, as one ConfigProblems.
- Nothing is opened but the two files: no device, no model, no server.
- The line wins over the site, name by name; what neither says has a default.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway import registry
from gateway.config import checks
from gateway.config.document import Document, read
from gateway.config.explain import explain
from gateway.config.problems import ConfigProblems, Problem, errors, in_order
from gateway.config.schema import LineFileBase, Security, SiteFileBase, line_file, site_file
from gateway.contracts import ConfigError, Detector, ModelError, Places
from gateway.model import Tag

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class LineConfig:
    """A line that may be run.

    `file` is the resolved file: the site's name, sinks and buffer are in it. `sources`,
    `detectors` and `sinks` are the plugins' validated options by name; `tags` are those of all
    sources, in the order of the file. `digest` changes when anything resolved changes.
    """

    path: Path
    line: str
    site: str
    file: LineFileBase
    security: Security
    tags: Sequence[Tag]
    places: Places
    digest: str
    warnings: Sequence[Problem] = ()
    document: Document | None = field(default=None, repr=False, compare=False)

    @property
    def sources(self) -> Mapping[str, Any]:
        return self.file.sources

    @property
    def detectors(self) -> Mapping[str, Any]:
        return self.file.detectors

    @property
    def sinks(self) -> Mapping[str, Any]:
        return self.file.sinks

    def tags_of(self, source: str) -> Sequence[Tag]:
        """The tags of one source, in the order its connector declared them."""
        return tuple(tag for tag in self.tags if tag.source == source)

    def resolved(self) -> dict[str, Any]:
        """The resolved file as plain data: durations with units, secrets as their references."""
        return self.file.model_dump(mode="json", exclude_none=True)


@dataclass
class _Site:
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


def load(path: Path) -> LineConfig:
    """The checked line; ConfigProblems with everything that is wrong."""
    document = read(path)
    if too_new := checks.version(document):
        raise ConfigProblems(too_new)
    site = _site(path, document)
    file, problems = _validated(document, line_file())
    found = [*problems, *site.problems, *checks.of_line(document, site.security)]
    found += _site_name(document, site)
    tags, tag_problems = _tags(document, file)
    found += tag_problems
    if file is None or errors(found):
        raise ConfigProblems(found)
    resolved = _resolved(file, site)
    return LineConfig(
        path=path,
        line=resolved.line,
        site=str(resolved.site),
        file=resolved,
        security=site.security,
        tags=tags,
        places=Places(config=path.parent, state=state_folder(resolved, path.parent)),
        digest=_digest(resolved),
        warnings=_warnings(document, site, resolved),
        document=document,
    )


def build_detectors(config: LineConfig) -> dict[str, Detector]:
    """Every detector of the line, its model loaded and tried; ConfigProblems names the failing."""
    tags = {tag.name: tag for tag in config.tags}
    built: dict[str, Detector] = {}
    found: list[Problem] = []
    for name, options in config.detectors.items():
        detector = registry.load(registry.DETECTORS, options.type)
        try:
            built[name] = detector(name, options, tags, config.places)
        except (ConfigError, ModelError) as error:
            found.append(_part_problem(config, ("detectors", name), error))
    if found:
        raise ConfigProblems(found)
    return built


def state_folder(file: LineFileBase, beside: Path) -> Path:
    """Where the line keeps what must survive a restart; `beside` is the line file's folder."""
    if file.state:
        return beside / Path(file.state).expanduser()
    # systemd may give several folders; the first is the unit's own.
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return (Path(given) if given else Path.home() / ".local/state/andon") / file.line


def _validated(document: Document, model: type[_Model]) -> tuple[_Model | None, Sequence[Problem]]:
    """The document as its model, or what stops it from being one."""
    try:
        # Strict JSON: `yes` is no boolean, "502" no number, but 'high' may be a severity.
        return model.model_validate_json(json.dumps(document.data), strict=True), ()
    except ValidationError as error:
        secrets = {(p.line, p.column) for p in checks.clear_text(document)}
        found = explain(error, document, model)
        return None, [problem for problem in found if (problem.line, problem.column) not in secrets]


def _site(line_path: Path, document: Document) -> _Site:
    """The site file that the line names, read and validated."""
    named = document.get("site_file")
    if not isinstance(named, str):
        return _Site()
    path = line_path.parent / named
    if not path.is_file():
        where = ("site_file",)
        missing = document.problem(where, f"there is no file {path}", at="value")
        return _Site(path, problems=[missing])
    try:
        site = read(path)
    except ConfigProblems as error:
        return _Site(path, problems=error.problems)
    if too_new := checks.version(site):
        return _Site(path, problems=too_new)
    file, problems = _validated(site, site_file())
    return _Site(path, file, site, [*problems, *checks.clear_text(site)])


def _site_name(document: Document, site: _Site) -> list[Problem]:
    written, shared = document.get("site"), site.file.site if site.file else None
    if document.get("site") is None and document.get("site_file") is None:
        hint = "the plant's name, here or in a site file (site_file: site.yaml)"
        return [document.problem(("site",), 'required: "site" is missing', hint)]
    if written and shared and written != shared:
        message = f'is "{written}" here but "{shared}" in {site.path}'
        return [document.problem(("site",), message, "leave it out here", at="value")]
    return []


def _tags(document: Document, file: LineFileBase | None) -> tuple[Sequence[Tag], Sequence[Problem]]:
    """The tags of all sources; where the file is not valid, what can be said of their names."""
    tags: list[Tag] = []
    found: list[Problem] = []
    if file is None:
        names = checks.declared(document)
        # A source without a list of tags may have some all the same, in its own way.
        known = [name for tags in names.values() for name in tags] if all(names.values()) else None
    else:
        names = {}
        for name, options in file.sources.items():
            connector = registry.load(registry.CONNECTORS, options.type)
            try:
                declared = connector.declared_tags(name, options)
            except ConfigError as error:
                found.append(document.problem(("sources", name), str(error)))
                continue
            tags += declared
            names[name] = [tag.name for tag in declared]
        known = None if found else [tag.name for tag in tags]
    found += checks.doubled_tags(document, names)
    if known is not None:
        found += checks.unknown_tags(document, known)
    return tuple(tags), found


def _resolved(file: LineFileBase, site: _Site) -> LineFileBase:
    sinks = {**site.sinks, **file.sinks}
    if not sinks:
        default = registry.load(registry.SINKS, "file").Options
        sinks = {"file": default.model_validate({"type": "file"})}
    update: dict[str, Any] = {"sinks": sinks, "site_file": None}
    if site.file:
        update["site"] = file.site or site.file.site
        if site.file.buffer and "buffer" not in file.model_fields_set:
            update["buffer"] = site.file.buffer
    return file.model_copy(update=update)


def _digest(file: LineFileBase) -> str:
    plain = json.dumps(file.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _warnings(document: Document, site: _Site, file: LineFileBase) -> Sequence[Problem]:
    found = list(checks.unresolved(document))
    if site.document:
        found += checks.unresolved(site.document)
    if not file.detectors:
        message = "no detectors: this line will never raise an alert"
        found.append(document.problem(("detectors",), message, level="warning"))
    return in_order(found)


def _part_problem(config: LineConfig, where: tuple[str, ...], error: Exception) -> Problem:
    document = config.document
    if document is None:
        return Problem(str(config.path), 1, 1, ".".join(where), str(error))
    bundle = (*where, "bundle")
    if bundle in document.keys:
        return document.problem(bundle, str(error), at="value")
    return document.problem(where, str(error))
