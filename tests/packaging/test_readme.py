"""What the README shows is what andon accepts."""

import re
import textwrap
from pathlib import Path

import yaml

from gateway.config.load import load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
_FENCED = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
BLOCKS = [textwrap.dedent(block) for block in _FENCED.findall(README)]


def test_the_first_line_file_is_accepted(tmp_path):
    file = tmp_path / "press-3.yaml"
    file.write_text(BLOCKS[0])
    config = load(file)
    assert [tag.name for tag in config.tags] == ["motor_current", "oil_pressure"]
    assert not config.warnings


def test_the_later_pieces_fit_into_it(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "none")
    whole = yaml.safe_load(BLOCKS[0])
    for block in BLOCKS[1:]:
        for section, parts in yaml.safe_load(block).items():
            whole.setdefault(section, {}).update(parts)
    file = tmp_path / "press-3.yaml"
    file.write_text(yaml.safe_dump(whole))
    config = load(file)
    assert set(config.detectors) == {"guard", "model"}
    assert set(config.sinks) == {"cloud"}


def test_every_file_that_it_links_to_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_test_that_it_names_as_proof_exists():
    proofs = re.findall(r"`(tests/[^`]+)`", README)
    assert len(proofs) > 5
    assert [proof for proof in proofs if not (ROOT / proof).exists()] == []
