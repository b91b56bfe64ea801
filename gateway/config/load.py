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
from typing import Any

from gateway.api.contracts import ConfigError, Places
from gateway.api.model import Kind, Tag
from gateway.config import checks, plugins
from gateway.config.document import Document
from gateway.config.expand import expand
from gateway.config.parse import read
from gateway.config.problems import ConfigProblems, Problem, errors, in_order, joined
from gateway.config.schema import LineFileBase, Security, line_file
from gateway.config.site import Site, check_name, merged, read_site, validated


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
        plain = self.file.model_dump(mode="json", exclude_none=True)
        for part in ("sources", "detectors", "sinks"):
            # What a thing is comes first, wherever its model inherited the fields from.
            plain[part] = {
                name: {"type": options["type"], **options} for name, options in plain[part].items()
            }
        return plain


def load(path: Path) -> LineConfig:
    """The checked line; ConfigProblems with everything that is wrong."""
    document = read(path)
    if too_new := checks.version(document):
        raise ConfigProblems(too_new)
    written = document
    document, expansion = expand(written, path.parent)
    site = read_site(path, document)
    if errors(expansion):
        # What could not be expanded would only be complained about a second time.
        raise ConfigProblems(joined([*expansion, *checks.clear_text(written)], document.devices))
    file, problems = validated(document, line_file())
    found = [*problems, *site.problems, *checks.of_line(document, site.security)]
    found += [*check_name(document, site), *checks.clear_text(written), *expansion]
    tags, tag_problems = _tags(document, file)
    found += tag_problems
    if file is None or errors(found):
        raise ConfigProblems(joined(found, document.devices))
    resolved = merged(file, site)
    return LineConfig(
        path=path,
        line=resolved.line,
        site=str(resolved.site),
        file=resolved,
        security=site.security,
        tags=tags,
        places=Places(config=path.parent, state=state_folder(resolved, path.parent)),
        digest=_digest(resolved),
        warnings=in_order([*_warnings(document, site, resolved), *expansion]),
        document=document,
    )


def state_folder(file: LineFileBase, beside: Path) -> Path:
    """Where the line keeps what must survive a restart; `beside` is the line file's folder."""
    if file.state:
        return beside / os.path.expanduser(file.state)  # noqa: PTH111 - leaves ~nobody as it is
    # systemd may give several folders; the first is the unit's own.
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given or os.path.expanduser("~/.local/state/andon")) / file.line  # noqa: PTH111


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
            connector = plugins.load(plugins.CONNECTORS, options.type)
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
        found += checks.unknown_tags(document, known, may_be_made=file is None)
    return tuple(tags), found


def _digest(file: LineFileBase) -> str:
    plain = json.dumps(file.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _warnings(document: Document, site: Site, file: LineFileBase) -> Sequence[Problem]:
    found = list(checks.unresolved(document))
    if site.document:
        found += checks.unresolved(site.document)
    if not file.detectors:
        message = "no detectors: this line will never raise an alert"
        found.append(document.problem(("detectors",), message, level="warning"))
    if file.history and file.history.clip and not _takes_clips(file):
        message = "no sink of this line takes clips: they are made for nobody"
        hint = "add a sink that takes them, or leave clip out: `andon clip` needs none"
        found.append(document.problem(("history", "clip"), message, hint, level="warning"))
    return joined(found, document.devices)


def _takes_clips(file: LineFileBase) -> bool:
    sinks = [plugins.load(plugins.SINKS, options.type) for options in file.sinks.values()]
    return any(Kind.CLIP in sink.accepts for sink in sinks)
