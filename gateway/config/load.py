"""Loads and checks a line file, with the site file merged in and the language file beside it.

Promises
- All problems of these files are reported at once, as one ConfigProblems.
- Only these files and their tables are opened: no device, no model, no server.
- The line wins over the site, name by name; what neither sets has a default.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.api.contracts import ConfigError, Places
from gateway.api.model import Kind, Tag
from gateway.config import checks, plugins
from gateway.config.document import Document
from gateway.config.effects import without_effect
from gateway.config.expand import expand
from gateway.config.language import read_language
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem, errors, in_order, joined
from gateway.config.schema import LineFileBase, SecuritySection, line_file
from gateway.config.site import Site, check_name, merged, read_site, validated
from gateway.core.alarms.texts import TEXTS


@dataclass(frozen=True)
class LineConfig:
    """The validated configuration of a line.

    `file` is the resolved file, with the site's name, sinks and buffer. `sources`, `detectors` and
    `sinks` are the plugins' validated options by name; `tags` are the tags of all sources, in the
    order of the file. `texts` are the texts of alarms in the language of the line. `digest`
    changes whenever a resolved setting or a text changes.
    """

    path: Path
    line: str
    site: str
    file: LineFileBase
    security: SecuritySection
    tags: Sequence[Tag]
    places: Places
    digest: str
    warnings: Sequence[Problem] = ()
    texts: Mapping[str, str] = field(default_factory=lambda: TEXTS)
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
        plain = self.file.model_dump(mode="json", exclude_none=True)
        for part in ("sources", "detectors", "sinks"):
            # `type` comes first, even if a model inherits other fields before it.
            plain[part] = {
                name: {"type": options["type"], **options} for name, options in plain[part].items()
            }
        return plain


def load(path: Path) -> LineConfig:
    """The checked line; ConfigProblems lists everything that is wrong."""
    document = read(path)
    if too_new := checks.version(document):
        raise ConfigProblems(too_new)
    written = document
    document, expansion = expand(written, path.parent)
    site = read_site(path, document)
    if errors(expansion):
        # Validation would only repeat the problems of what could not be expanded.
        raise ConfigProblems(joined([*expansion, *checks.clear_text(written)], document.devices))
    file, problems = validated(document, line_file())
    problems = [*problems, *site.problems, *checks.of_line(document, site.security)]
    problems += [*check_name(document, site), *checks.clear_text(written), *expansion]
    texts, language_problems = read_language(path, document)
    tags, tag_problems = _tags(document, file)
    problems += [*language_problems, *tag_problems]
    if file is None or errors(problems):
        raise ConfigProblems(joined(problems, document.devices))
    resolved = merged(file, site)
    effects = without_effect(document, resolved, tags)
    if errors(effects):
        raise ConfigProblems(joined([*problems, *effects], document.devices))
    return LineConfig(
        path=path,
        line=resolved.line,
        site=str(resolved.site),
        file=resolved,
        security=site.security,
        tags=tags,
        places=Places(
            config=path.parent,
            state=state_folder(resolved, path.parent),
            site=str(resolved.site),
            line=resolved.line,
        ),
        digest=_digest(resolved, texts),
        warnings=in_order([*_warnings(document, site, resolved, effects), *expansion]),
        texts=texts,
        document=document,
    )


def state_folder(file: LineFileBase, beside: Path) -> Path:
    """The folder for what must survive a restart; `beside` is the line file's folder."""
    if file.state:
        return beside / os.path.expanduser(file.state)  # noqa: PTH111 - leaves ~nobody as it is
    # systemd may pass several folders; the first is the unit's own.
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given or os.path.expanduser("~/.local/state/andon")) / file.line  # noqa: PTH111


def _tags(document: Document, file: LineFileBase | None) -> tuple[Sequence[Tag], Sequence[Problem]]:
    """The tags of all sources and their problems; only names are checked in an invalid file."""
    tags: list[Tag] = []
    problems: list[Problem] = []
    if file is None:
        names = checks.declared(document)
        # A source without a list of tags may declare them in its own way.
        known = [name for tags in names.values() for name in tags] if all(names.values()) else None
    else:
        names = {}
        for name, options in file.sources.items():
            connector = plugins.load(plugins.CONNECTORS, options.type)
            try:
                declared = connector.declared_tags(name, options)
            except ConfigError as error:
                problems.append(document.problem(("sources", name), str(error)))
                continue
            tags += declared
            names[name] = [tag.name for tag in declared]
        known = None if problems else [tag.name for tag in tags]
    problems += checks.duplicate_tags(document, names)
    if known is not None:
        problems += checks.unknown_tags(document, known, may_be_made=file is None)
    return tuple(tags), problems


def _digest(file: LineFileBase, texts: Mapping[str, str]) -> str:
    own = {key: text for key, text in texts.items() if text != TEXTS[key]}
    plain = json.dumps([file.model_dump(mode="json"), own], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _warnings(
    document: Document, site: Site, file: LineFileBase, effects: Sequence[Problem]
) -> Sequence[Problem]:
    problems = [*checks.unresolved(document), *effects]
    if site.document:
        problems += checks.unresolved(site.document)
    if not file.detectors:
        message = "no detectors: this line will never raise an alert"
        problems.append(document.problem(("detectors",), message, level="warning"))
    if file.history and file.history.clip and not _takes_clips(file):
        message = "no sink of this line accepts clips, so none is ever sent"
        hint = "add a sink that accepts them, or leave clip out: `andon clip` works without it"
        problems.append(document.problem(("history", "clip"), message, hint, level="warning"))
    return joined(problems, document.devices)


def _takes_clips(file: LineFileBase) -> bool:
    sinks = [plugins.load(plugins.SINKS, options.type) for options in file.sinks.values()]
    return any(Kind.CLIP in sink.accepts for sink in sinks)
