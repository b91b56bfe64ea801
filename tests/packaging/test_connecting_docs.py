"""What docs/connecting.md shows is what andon accepts."""

import re
from pathlib import Path

from gateway.config.load import load

PAGE = (Path(__file__).parents[2] / "docs/connecting.md").read_text()
YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
[TABLE] = re.findall(r"^```csv\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
HEAD = "version: 1\nline: hall\nsite: here\n"


def test_the_table_of_tags_is_accepted(tmp_path):
    (tmp_path / "press-tags.csv").write_text(TABLE)
    (tmp_path / "line.yaml").write_text(HEAD + YAML[0])

    assert [tag.name for tag in load(tmp_path / "line.yaml").tags] == [
        "oil_pressure",
        "oil_temperature",
    ]


def test_the_template_and_its_exception_are_accepted(tmp_path):
    exception = YAML[2].removeprefix("sources:\n")
    template = YAML[1].replace("host: 10.0.3.{n}", "host: 10.0.3.1")
    (tmp_path / "one.yaml").write_text(HEAD + YAML[1])
    (tmp_path / "two.yaml").write_text(HEAD + template + exception)

    one, two = load(tmp_path / "one.yaml"), load(tmp_path / "two.yaml")

    assert len(one.sources) == 200
    assert [tag.name for tag in one.tags[-2:]] == [
        "press-200.oil_pressure",
        "press-200.motor_current",
    ]
    assert two.sources["press-old"].host == "10.0.9.1"
