import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.schema import command

ROOT = Path(__file__).parents[3]
SCHEMAS = {"andon.schema.json": [], "andon-site.schema.json": ["--site"]}
LINES = [path for path in sorted((ROOT / "configs").glob("*.yaml")) if path.name != "site.yaml"]


@pytest.mark.parametrize(("name", "options"), SCHEMAS.items())
def test_the_shipped_schema_is_up_to_date(name, options):
    printed = CliRunner().invoke(command, options).output

    assert (ROOT / "configs" / name).read_text() == printed, "run: make schema"


@pytest.mark.parametrize(
    ("schema", "files"),
    [("andon.schema.json", LINES), ("andon-site.schema.json", [ROOT / "configs/site.yaml"])],
)
def test_the_schema_accepts_every_example(schema, files):
    assert files
    done = _check(schema, files)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "unknown_key",
        "wrong_type",
        "token_in_clear_text",
        "name_with_a_space",
        "mistake_in_a_template",
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(name):
    assert _check("andon.schema.json", [ROOT / f"tests/configs/{name}.bad.yaml"]).returncode == 1


@pytest.mark.parametrize("path", [*LINES, ROOT / "configs/site.yaml"], ids=lambda path: path.name)
def test_every_example_names_its_schema_for_the_editor(path):
    schema = "andon-site.schema.json" if path.name == "site.yaml" else "andon.schema.json"

    assert path.read_text().startswith(f"# yaml-language-server: $schema={schema}\n")


def test_quantities_are_shown_as_they_are_written():
    schema = json.loads((ROOT / "configs/andon.schema.json").read_text())

    every = schema["$defs"]["SummariesSection"]["properties"]["every"]
    assert every["default"] == "1min"
    assert every["description"] == "The interval of one summary."
    assert schema["$defs"]["BufferSection"]["properties"]["max_bytes"]["default"] == "2GiB"


def _check(schema, files):
    program = [sys.executable, "-m", "check_jsonschema", "--schemafile"]
    return subprocess.run(
        [*program, ROOT / "configs" / schema, *files],
        capture_output=True,
        text=True,
        check=False,
    )
