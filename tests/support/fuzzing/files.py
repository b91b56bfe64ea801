"""Files that a person hands over: line files, tables of tags, cases."""

from pathlib import Path
from tempfile import mkdtemp

from fuzzing.targets import check_sentence
from gateway.cases.file import load_cases
from gateway.config.load import load
from gateway.config.problems import ConfigProblems

_FOLDER = Path(mkdtemp(prefix="andon-fuzz-"))
_LINE = """version: 1
line: press-3
site: plant
sources:
  plc: {type: modbus, host: 10.0.0.1, tags: {flow: {address: 0}}}
"""
(_FOLDER / "beside.yaml").write_text(_LINE)
(_FOLDER / "tables.yaml").write_text(
    _LINE.replace("tags: {flow: {address: 0}}", "tags_file: tags.csv")
)
load(_FOLDER / "beside.yaml")  # loads the plugins, whose options are under fuzz as well


def _read(name: str, data: bytes, read) -> None:
    path = _FOLDER / name
    path.write_bytes(data)
    try:
        read(path)
    except ConfigProblems as error:
        for problem in error.problems:
            assert problem.line >= 0
            assert problem.column >= 0
            check_sentence(problem.headline)
            check_sentence(problem.hint)


def line_file(data: bytes) -> None:
    """A line file, up to what `andon check` says of it."""
    _read("line.yaml", data, lambda path: load(path).resolved())


def tag_table(data: bytes) -> None:
    """A CSV file with the tags of a line."""
    _read("tags.csv", data, lambda _: load(_FOLDER / "tables.yaml").resolved())


def cases(data: bytes) -> None:
    """A file of cases for a line."""
    _read("cases.yaml", data, load_cases)
