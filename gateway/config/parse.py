"""Parses YAML text to a document: plain data with the line and column of every part.

Promises
- YAML 1.2: `on` and `12:30` are text, and only `true` and `false` are booleans.
- Constructs that YAML accepts but that hide mistakes are refused: duplicate keys, merge keys,
  aliases, keys that are not text, tags, a second document.
- Damaged or hostile text causes problems, never a traceback and never high memory use.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yamlcore import CCoreLoader

from gateway.api.files import FileUnreadable, read_file
from gateway.config.document import Document, Mark, Where, dotted
from gateway.config.problems import ConfigProblems, Named, Problem, unreadable
from gateway.config.recognise import is_empty, is_recognised
from gateway.config.schema import LineFileBase, SiteFileBase

MAX_BYTES = 1_000_000
_MAX_DEPTH = 30
_LARGEST = 2**64
"""No integer of a file is larger; of one with 5,000 digits not even the text can be shown."""
_LONGEST = 10_000
"""Characters of a key or a value."""
_MAX_FLAWS = 50
_START = "a line file starts with `version: 1`, `line: NAME` and `sources:`"
_TELLING = (
    *("line", "site", "site_file", "sources", "sinks", "detectors", "templates", "cases", "texts"),
)
_KNOWN = {*LineFileBase.model_fields, *SiteFileBase.model_fields, *_TELLING}
_NO_MERGE = "merge keys (<<) are not part of YAML 1.2"
# The line ends that libyaml counts; counting differently would show the wrong line.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def read(path: Path, named: Named | None = None) -> Document:
    """The parsed file; ConfigProblems if it cannot be read or its structure is broken.

    `named` reports a file that cannot be read where another file names it.
    """
    try:
        raw = read_file(path, MAX_BYTES)
    except FileUnreadable as error:
        raise ConfigProblems([named(error) if named else unreadable(path, error)]) from error
    text = _decoded(raw, str(path))
    lines = _BREAK.split(text)
    if not is_empty(lines) and not is_recognised(lines, _KNOWN, _TELLING):
        message = "not a line file, and so nothing of it is shown"
        raise ConfigProblems([Problem(str(path), 1, 1, "", message, _START)])
    return parse(text, str(path))


def parse(text: str, file: str) -> Document:
    """The parsed text; ConfigProblems lists every flaw of its structure."""
    document = Document(file, _BREAK.split(text))
    flaws: list[Problem] = []
    opened: list[Mark] = []
    try:
        flaws += _guard(document, text, opened)
        if not flaws:
            loader = CCoreLoader(text)
            node = loader.get_single_node()
            flaws += _no_mapping(document, node)
            if not flaws:
                document.data = _Builder(document, loader, flaws).build(node, ())
                document.written = document.data
    except (yaml.YAMLError, UnicodeError) as error:
        flaws.append(_syntax(document, text, error, opened))
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


def _guard(document: Document, text: str, opened: list[Mark]) -> list[Problem]:
    """Refuses aliases, deep nesting and several documents before a tree is built.

    `opened` holds the brackets and blocks that are still open when this returns or raises.
    """
    flaws: list[Problem] = []
    documents = 0
    before = None
    for event in yaml.parse(text, Loader=CCoreLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_mark(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST:
            message = f"longer than {_LONGEST:,} characters"
            return [*flaws, document.flaw(_mark(event.start_mark), "", message)]
        elif isinstance(event, yaml.AliasEvent):
            is_merge = isinstance(before, yaml.ScalarEvent) and before.value == "<<"
            mark = _mark(event.start_mark)
            # A secret may start with * too, or with !, and is not repeated.
            name = "" if document.hides(mark) else f"alias *{event.anchor}: "
            message = _NO_MERGE if is_merge else f"{name}aliases are not allowed"
            flaws.append(document.flaw(mark, "", message, "write it out"))
        if documents > 1:
            message, hint = "a second document starts here", "one file is one line: split the file"
            return [*flaws, document.flaw(_mark(event.start_mark), "", message, hint)]
        if len(opened) > _MAX_DEPTH:
            message = f"nested more than {_MAX_DEPTH} levels deep"
            return [*flaws, document.flaw(_mark(event.start_mark), "", message)]
        if len(flaws) >= _MAX_FLAWS:
            break
        before = event
    return flaws


def _no_mapping(document: Document, node: Any) -> Iterator[Problem]:
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        yield document.flaw((1, 1), "", "the file is empty", _START)
    elif not isinstance(node, yaml.MappingNode):
        message = "must hold keys and values at its top level"
        yield document.flaw(_mark(node.start_mark), "", message, _START)


class _Builder:
    """Collects data, marks and flaws in one walk over the tree."""

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
            name = "a tag" if self.document.hides(_mark(node.start_mark)) else f"the tag {tag}"
            self._flaw(node, where, f"{name} is not allowed", "leave the tag out")
            return None
        try:
            value = construct(self.loader, node)
        except (ValueError, KeyError, yaml.YAMLError):
            self._flaw(node, where, "cannot be read as a value", 'put text in quotes: "..."')
            return None
        if isinstance(value, int) and abs(value) >= _LARGEST:
            self._flaw(node, where, "a number of more than 64 bits")
            return None
        return value

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
            is_hidden = self.document.hides(_mark(node.start_mark))
            shown = "this" if is_hidden else node.value or "nothing"
            hint = f'put it in quotes: "{node.value}"' if node.value and not is_hidden else ""
            self._flaw(node, where, f"a key must be text, not {shown}", hint)
        elif node.value == "<<" and not node.style:
            hint = "write the keys out where they are used"
            self._flaw(node, where, _NO_MERGE, hint)
        else:
            return str(node.value)
        return None

    def _flaw(self, node: Any, where: Where, message: str, hint: str = "") -> None:
        mark = _mark(node.start_mark)
        # Below a secret's key even a key may be the secret.
        path = dotted(where[:-1] if self.document.hides(mark) else where)
        flaw = self.document.flaw(mark, path, message, hint)
        self.flaws.append(flaw)


def _syntax(document: Document, text: str, error: Exception, opened: list[Mark]) -> Problem:
    mark, message = (1, 1), str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        mark, message = _marked(document, error, opened)
    elif isinstance(error, yaml.reader.ReaderError):
        # libyaml counts bytes here, and characters everywhere else.
        before = _BREAK.split(text.encode()[: error.position].decode(errors="ignore"))
        mark, message = (len(before), len(before[-1]) + 1), str(error.reason)
    line = document.lines[mark[0] - 1]
    return document.flaw(mark, "", f"not YAML: {message}", _syntax_hint(message, line, mark[1]))


def _marked(document: Document, error: Any, opened: list[Mark]) -> tuple[Mark, str]:
    message = " ".join(part for part in (error.problem, error.context) if part)
    mark = _mark(error.problem_mark or error.context_mark)
    if not "".join(document.lines[mark[0] - 1 :])[mark[1] - 1 :].strip():
        # A bracket that is missing at the end of the file is reported where it was opened.
        return opened[-1] if opened else (1, 1), f"{message}, at the end of the file"
    if error.context_mark and error.context_mark.line + 1 != mark[0]:
        message += f" that starts at line {error.context_mark.line + 1}"
    return mark, message


def _syntax_hint(message: str, line: str, column: int) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces: YAML allows no tabs there"
    if "flow mapping" in message and "{" in line[column - 1 :]:
        return "text with braces or commas needs quotes inside { }"
    if "mapping values" in message:
        return "a colon inside a value needs quotes; else check the indentation"
    return ""
