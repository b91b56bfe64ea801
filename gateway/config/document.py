"""YAML text becomes plain data that remembers its lines and columns.

Promises
- YAML 1.2: `on` and `12:30` are text, and only `true` and `false` are booleans.
- What YAML lets pass in silence is refused here: duplicate keys, merge keys, aliases, keys that
  are not text, tags, a second document. So a line of the file means what stands in it.
- Damaged or hostile text gives problems, never a traceback and never a large bill of memory.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from yamlcore import CCoreLoader

from gateway.config.problems import ConfigProblems, Problem, conceal, unreadable

MAX_BYTES = 1_000_000
_MAX_DEPTH = 30
_MAX_FLAWS = 50
_NO_MERGE = "merge keys (<<) are not part of YAML 1.2"

# What libyaml counts as the end of a line; we must count alike to show the right one.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

Where = tuple[str | int, ...]
Mark = tuple[int, int]


@dataclass
class Document:
    """A file's data with the place of every key and value (line and column from 1)."""

    file: str
    lines: Sequence[str]
    data: Any = None
    keys: dict[Where, Mark] = field(default_factory=dict)
    values: dict[Where, Mark] = field(default_factory=dict)

    def problem(
        self,
        where: Where,
        message: str,
        hint: str = "",
        *,
        at: Literal["key", "value"] = "key",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at the nearest place that stands in the file: itself, else what encloses it."""
        mark = self.mark(where, at)
        return self.flaw(mark, dotted(where), message, hint, level)

    def flaw(
        self,
        mark: Mark,
        path: str,
        message: str,
        hint: str = "",
        level: Literal["error", "warning"] = "error",
    ) -> Problem:
        """A problem at a line and column."""
        text = self.lines[mark[0] - 1] if mark[0] <= len(self.lines) else ""
        message, hint = conceal(message), conceal(hint)
        return Problem(self.file, *mark, path, message, hint, conceal(text), level)

    def mark(self, where: Where, at: Literal["key", "value"] = "key") -> Mark:
        """Line and column of the key, or of the value where that is a single one."""
        if at == "value" and where in self.values:
            return self.values[where]
        while where and where not in self.keys:
            where = where[:-1]
        return self.keys.get(where, (1, 1))

    def mapping(self, *where: str | int) -> Mapping[str, Any]:
        """The mapping that stands there; an empty one where it is missing or something else."""
        value = self.get(*where)
        return value if isinstance(value, dict) else {}

    def get(self, *where: str | int) -> Any:
        """The value that stands there, None where nothing does."""
        value = self.data
        for part in where:
            if not (isinstance(value, dict) and part in value):
                return None
            value = value[part]
        return value


def dotted(where: Where) -> str:
    """('sources', 'plc', 'port') -> 'sources.plc.port'."""
    return ".".join(map(str, where))


def read(path: Path) -> Document:
    """The file's data; ConfigProblems when it cannot be read or its structure is broken."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigProblems([unreadable(path, error)]) from error
    if len(raw) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 1000} kB: this is not a line file"
        raise ConfigProblems([Problem(str(path), 1, 1, "", message)])
    return parse(_decoded(raw, str(path)), str(path))


def parse(text: str, file: str) -> Document:
    """The text's data; ConfigProblems with every flaw of its structure."""
    document = Document(file, _BREAK.split(text))
    flaws: list[Problem] = []
    try:
        flaws += _guard(document, text)
        if not flaws:
            loader = CCoreLoader(text)
            node = loader.get_single_node()
            flaws += _no_mapping(document, node)
            if not flaws:
                document.data = _Builder(document, loader, flaws).build(node, ())
    except (yaml.YAMLError, UnicodeError) as error:
        flaws.append(_syntax(document, text, error))
    if flaws:
        raise ConfigProblems(flaws)
    return document


def _decoded(raw: bytes, file: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        hint = "save the file as UTF-8"
        raise ConfigProblems([Problem(file, line, column, "", "not UTF-8 text", hint)]) from error


def _mark(mark: Any) -> Mark:
    return mark.line + 1, mark.column + 1


def _guard(document: Document, text: str) -> list[Problem]:
    """What must be known before a tree is built: aliases, depth, several documents."""
    flaws: list[Problem] = []
    depth = documents = 0
    before = None
    for event in yaml.parse(text, Loader=CCoreLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.AliasEvent):
            is_merge = isinstance(before, yaml.ScalarEvent) and before.value == "<<"
            message = _NO_MERGE if is_merge else f"alias *{event.anchor}: aliases are not used here"
            flaws.append(document.flaw(_mark(event.start_mark), "", message, "write it out"))
        if documents > 1:
            message, hint = "a second document starts here", "one file is one line: split the file"
            return [*flaws, document.flaw(_mark(event.start_mark), "", message, hint)]
        if depth > _MAX_DEPTH:
            message = f"nested more than {_MAX_DEPTH} levels deep"
            return [*flaws, document.flaw(_mark(event.start_mark), "", message)]
        if len(flaws) >= _MAX_FLAWS:
            break
        before = event
    return flaws


def _no_mapping(document: Document, node: Any) -> Iterator[Problem]:
    hint = "a line file starts with `version: 1`, `line: NAME` and `sources:`"
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        yield document.flaw((1, 1), "", "the file is empty", hint)
    elif not isinstance(node, yaml.MappingNode):
        message = "must hold keys and values at its top level"
        yield document.flaw(_mark(node.start_mark), "", message, hint)


class _Builder:
    """Walks the tree once: data, marks and flaws."""

    def __init__(self, document: Document, loader: Any, flaws: list[Problem]) -> None:
        self.document = document
        self.loader = loader
        self.flaws = flaws

    def build(self, node: Any, where: Where) -> Any:
        self.document.keys.setdefault(where, _mark(node.start_mark))
        if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
            return [self.build(item, (*where, at)) for at, item in enumerate(node.value)]
        self.document.values[where] = _mark(node.start_mark)
        return self._scalar(node, where)

    def _scalar(self, node: Any, where: Where) -> Any:
        construct = self.loader.yaml_constructors.get(node.tag)
        if construct is None or not isinstance(node, yaml.ScalarNode):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._flaw(node, where, f"the tag {tag} has no meaning here", "leave the tag out")
            return None
        try:
            return construct(self.loader, node)
        except (ValueError, KeyError, yaml.YAMLError):
            self._flaw(node, where, "cannot be read as a value", 'text stands in quotes: "..."')
            return None

    def _mapping(self, node: Any, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, where)
            if key is None:
                continue
            if key in data:
                first = self.document.keys[*where, key][0]
                message = f"duplicate key, first at line {first}"
                self._flaw(key_node, (*where, key), message, "keep one of the two")
                continue
            self.document.keys[*where, key] = _mark(key_node.start_mark)
            data[key] = self.build(value_node, (*where, key))
        return data

    def _key(self, node: Any, where: Where) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._flaw(node, where, "a key must be text, not a list or a mapping")
        elif not node.tag.endswith(":str"):
            shown = node.value or "nothing"
            hint = f'put it in quotes: "{node.value}"' if node.value else ""
            self._flaw(node, where, f"a key must be text, not {shown}", hint)
        elif node.value == "<<":
            hint = "write the keys out where they are used"
            self._flaw(node, where, _NO_MERGE, hint)
        else:
            return str(node.value)
        return None

    def _flaw(self, node: Any, where: Where, message: str, hint: str = "") -> None:
        flaw = self.document.flaw(_mark(node.start_mark), dotted(where), message, hint)
        self.flaws.append(flaw)


def _syntax(document: Document, text: str, error: Exception) -> Problem:
    mark, message, hint = (1, 1), str(error), ""
    if isinstance(error, yaml.MarkedYAMLError):
        found = error.problem_mark or error.context_mark
        mark = _mark(found) if found else mark
        context = f" {error.context}" if error.context else ""
        message = f"{error.problem}{context}"
        if error.context_mark and error.context_mark.line + 1 != mark[0]:
            message += f" that starts at line {error.context_mark.line + 1}"
    elif isinstance(error, yaml.reader.ReaderError):
        # libyaml counts bytes here, and characters everywhere else.
        before = _BREAK.split(text.encode()[: error.position].decode(errors="ignore"))
        mark = (len(before), len(before[-1]) + 1)
        message = f"{error.reason}"
    line = document.lines[mark[0] - 1] if mark[0] <= len(document.lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = "indent with spaces: YAML allows no tabs there"
    elif "flow mapping" in message and "{" in line[mark[1] - 1 :]:
        hint = "text with braces or commas needs quotes inside { }"
    elif "mapping values" in message:
        hint = "a colon inside a value needs quotes; else check the indentation"
    return document.flaw(mark, "", f"not YAML: {message}", hint)
