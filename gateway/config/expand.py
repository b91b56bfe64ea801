"""Expands templates and tables of tags to plain sources, before validation.

Promises
- The result is an ordinary document: sources with tags, without templates.
- Every key keeps the place where it was written, so that a mistake in a template is reported there.
- A template's tag without a placeholder in its name is prefixed with the device's name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from gateway.config import plugins
from gateway.config.devices import PLACEHOLDER, Device, UnknownPlaceholderError, devices_of, fill
from gateway.config.document import Document, Where
from gateway.config.locate import fields, is_model, plain
from gateway.config.problems import ConfigProblems, Problem
from gateway.config.table import Row, read_table, typed_cells

MAX_TAGS = 50_000
MAX_SOURCES = 5_000
"""Of a line, all sources together: with these the daemon takes 0.3 GB of memory."""
_TEMPLATE_KEYS = ("template", "devices", "devices_file")


def expand(document: Document, folder: Path) -> tuple[Document, list[Problem]]:
    """The document with plain sources only, and the problems of sources that cannot be expanded.

    `folder` holds the tables that the file names.
    """
    data = document.data
    uses = any("template" in source for source in _mappings(data, "sources"))
    parts = [*_mappings(data, "sources"), *_mappings(data, "templates")]
    if not uses and "templates" not in data and not any("tags_file" in part for part in parts):
        return document, []
    work = _Expansion(document, folder)
    work.fill_in_tables()
    work.expand_sources()
    return work.document, work.flaws


def _mappings(data: Mapping[str, Any], section: str) -> Iterator[Mapping[str, Any]]:
    parts = data.get(section)
    if isinstance(parts, dict):
        yield from (part for part in parts.values() if isinstance(part, dict))


class _Expansion:
    """A document while it is being expanded."""

    def __init__(self, document: Document, folder: Path) -> None:
        self.document = replace(document, data=dict(document.data))
        self.folder = folder
        self.flaws: list[Problem] = []
        self.sources = self.tags = 0

    # Tables of tags ---------------------------------------------------------------------------

    def fill_in_tables(self) -> None:
        """Replaces each `tags_file` by its tags."""
        data = self.document.data
        for section in ("templates", "sources"):
            if isinstance(data.get(section), dict):
                data[section] = {
                    name: self._with_tags(section, name, part)
                    for name, part in data[section].items()
                }

    def _with_tags(self, section: str, name: str, part: Any) -> Any:
        if not isinstance(part, dict) or "tags_file" not in part:
            return part
        where: Where = (section, name, "tags_file")
        rest = {key: value for key, value in part.items() if key != "tags_file"}
        if not isinstance(part["tags_file"], str):
            self._flaw(where, "must be the name of a file", at="value")
            return rest
        tags = dict(part["tags"]) if isinstance(part.get("tags"), dict) else {}
        template = self.document.get("templates", str(part.get("template")), "type")
        text = _text_options(part.get("type", template))
        try:
            path = self.folder / part["tags_file"]
            rows = read_table(path, "name", partial(self.document.unreadable, where))
        except ConfigProblems as error:
            self.flaws += error.problems
            rows = []
        if not self._has_room(where, tags=len(rows)):
            rows = []
        for row in rows:
            self._add_tag((section, name, "tags"), tags, row, text)
        return rest | {"tags": tags}

    def _add_tag(self, where: Where, tags: dict[str, Any], row: Row, text: set[str]) -> None:
        name = row.cells.get("name")
        if name is None:
            self.flaws.append(row.place.problem("", 'required: "name" is missing'))
        elif name in tags:
            first = self.document.places.get((*where, name))
            line = first.line if first else self.document.mark((*where, name))[0]
            message = f"duplicate tag {name}, first at line {line}"
            self.flaws.append(row.place.problem("", message, "keep one of the two"))
        else:
            tags[name] = typed_cells(row, text, but="name")
            self.document.places[*where, name] = row.place

    # Templates --------------------------------------------------------------------------------

    def expand_sources(self) -> None:
        """Replaces each source with a `template` by one source for each device."""
        sources = self.document.data.get("sources")
        templates = self.document.mapping("templates")
        self._check_templates(sources)
        if isinstance(sources, dict):
            plain_sources: dict[str, Any] = {}
            for name, source in sources.items():
                made: dict[str, Any] = {name: source}
                if isinstance(source, dict) and "template" in source:
                    made = self._made(name, source, templates)
                elif isinstance(source, dict):
                    self._refuse_devices(name, source)
                self._refuse_duplicates(name, made, plain_sources)
                plain_sources |= made
            self.document.data["sources"] = plain_sources
        self.document.data.pop("templates", None)

    def _check_templates(self, sources: Any) -> None:
        templates = self.document.data.get("templates", {})
        if not isinstance(templates, dict):
            self._flaw(("templates",), "must hold keys and values")
            return
        for name, template in templates.items():
            where: Where = ("templates", name)
            if not isinstance(template, dict):
                self._flaw(where, "must hold keys and values: the options of a source")
            elif not _is_used(name, sources):
                hint = f"a source uses it with `template: {name}`"
                message = "no source uses this template"
                self.flaws.append(self.document.problem(where, message, hint, level="warning"))

    def _refuse_devices(self, name: str, source: Mapping[str, Any]) -> None:
        for key in ("devices", "devices_file"):
            if key in source:
                hint = "write `template: NAME` here, and the options under `templates:`"
                self._flaw(("sources", name, key), f"{key} needs a template", hint)
                source = {}

    def _refuse_duplicates(
        self, name: str, made: Mapping[str, Any], sources: Mapping[str, Any]
    ) -> None:
        for duplicate in sorted(made.keys() & sources.keys()):
            device = "" if duplicate == name else f" (device {duplicate})"
            self._flaw(("sources", name), f"duplicate source {duplicate}{device}")

    def _made(
        self, name: str, use: Mapping[str, Any], templates: Mapping[str, Any]
    ) -> dict[str, Any]:
        wanted = use["template"]
        template = templates.get(wanted) if isinstance(wanted, str) else None
        if not isinstance(template, dict):
            known = ", ".join(templates) or "none; write one under `templates:`"
            where: Where = ("sources", name, "template")
            self._flaw(where, f"unknown template {wanted}", f"known: {known}", at="value")
            return {}
        try:
            devices = devices_of(self.document, name, self.folder)
        except ConfigProblems as error:
            self.flaws += error.problems
            return {}
        tags = max(_size(template.get("tags")), _size(use.get("tags")), 1)
        if not self._has_room(("sources", name), sources=len(devices), tags=len(devices) * tags):
            return {}
        return {
            device.name: self._source(device, (wanted, template), (name, use)) for device in devices
        }

    def _source(
        self, device: Device, template: tuple[str, Mapping[str, Any]], use: tuple[str, Any]
    ) -> dict[str, Any]:
        """The options of one device: the template's, overridden by the source's own."""
        here: Where = ("sources", device.name)
        self.document.devices[device.name] = template[0]
        written: dict[str, tuple[Where, Any]] = {}
        tags: dict[str, tuple[Where, Any]] = {}
        roots: tuple[Where, Where] = (("templates", template[0]), ("sources", use[0]))
        for root, options in zip(roots, (template[1], use[1]), strict=True):
            for key, value in options.items():
                if key == "tags" and isinstance(value, dict):
                    tags |= {tag: ((*root, key, tag), inner) for tag, inner in value.items()}
                elif key not in _TEMPLATE_KEYS or root[0] == "templates":
                    written[key] = ((*root, key), value)
        self.document.origins[here] = ("templates", template[0])
        for key, (where, _) in written.items():
            if where[0] == "sources":
                self.document.origins[*here, key] = where
        made = {key: self._filled(value, where, device) for key, (where, value) in written.items()}
        return made | ({"tags": self._tags(tags, device)} if tags else {})

    def _tags(self, tags: Mapping[str, tuple[Where, Any]], device: Device) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, (where, options) in tags.items():
            prefix = "" if PLACEHOLDER.search(key) else f"{device.name}."
            name = prefix + str(self._filled(key, where, device))
            if name in made:
                self._flaw_of(device, where, f"duplicate tag {name}")
            made[name] = self._filled(options, where, device)
            self.document.origins["sources", device.name, "tags", name] = where
        return made

    def _filled(self, value: Any, where: Where, device: Device) -> Any:
        if isinstance(value, str):
            return self._text(value, where, device)
        if isinstance(value, list):
            return [self._filled(item, (*where, at), device) for at, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and next(iter(value.values())) is None:
            name = next(iter(value))
            message = "a placeholder must be in quotes"
            self._flaw_of(device, where, message, f'write "{{{name}}}"')
            return ""
        return {key: self._filled(inner, (*where, key), device) for key, inner in value.items()}

    def _text(self, text: str, where: Where, device: Device) -> Any:
        try:
            return fill(text, device) if "{" in text or "}}" in text else text
        except UnknownPlaceholderError as unknown:
            self._flaw_of(device, where, str(unknown), unknown.hint)
            return text

    def _has_room(self, where: Where, *, sources: int = 0, tags: int) -> bool:
        """Counts what a source adds, before it is made; False if the line has too much of it."""
        self.sources += sources
        self.tags += tags
        hint = "split it into several lines"
        if self.tags > MAX_TAGS:
            self._flaw(where, f"{self.tags:,} tags, and a line has at most {MAX_TAGS:,}", hint)
        elif self.sources > MAX_SOURCES:
            most = f"{MAX_SOURCES:,}"
            self._flaw(where, f"{self.sources:,} sources, and a line has at most {most}", hint)
        return self.tags <= MAX_TAGS and self.sources <= MAX_SOURCES

    # Flaws ------------------------------------------------------------------------------------

    def _flaw(self, where: Where, message: str, hint: str = "", **at: Any) -> None:
        self.flaws.append(self.document.problem(where, message, hint, **at))

    def _flaw_of(self, device: Device, where: Where, message: str, hint: str = "") -> None:
        problem = self.document.problem(where, message, hint, at="value")
        self.flaws.append(replace(problem, device=device.name))


def _size(tags: Any) -> int:
    return len(tags) if isinstance(tags, dict) else 0


def _is_used(template: str, sources: Any) -> bool:
    parts = sources.values() if isinstance(sources, dict) else ()
    return any(isinstance(part, dict) and part.get("template") == template for part in parts)


def _text_options(kind: Any) -> set[str]:
    """The tag options that hold text, so that a cell of digits stays text."""
    if not isinstance(kind, str) or kind not in plugins.usable(plugins.CONNECTORS):
        return set()
    section = fields(plugins.load(plugins.CONNECTORS, kind).Options).get("tags")
    options = get_args(plain(section.annotation)) if section else ()
    model: Any = plain(options[1]) if options else None
    if not is_model(model):
        return set()
    return {name for name, field in fields(model).items() if plain(field.annotation) is str}
