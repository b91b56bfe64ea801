"""The `maintenance` section of a line file: which values of which tag mean it."""

import pytest

from gateway.api.contracts import ConfigError
from gateway.config.load import load
from gateway.config.maintenance import maintenance_of

LINE = """
version: 1
line: press
site: here
sources:
  plc:
    type: modbus
    host: 127.0.0.1
    tags:
      flow: {address: 0}
      mode: {address: 1, enumeration: {running: 1, cleaning: 3, change_over: 4}, high: 9}
"""


def loaded(tmp_path, section):
    path = tmp_path / "press.yaml"
    path.write_text(f"{LINE}{section}")
    return load(path)


@pytest.mark.parametrize(
    ("when", "values", "words"),
    [
        ("cleaning", {3.0}, "cleaning"),
        ("[cleaning, change_over]", {3.0, 4.0}, "cleaning or change_over"),
        ("3", {3.0}, "cleaning"),
        ("7", {7.0}, "7"),
        ("true", {1.0}, "running"),
    ],
)
def test_the_values_are_numbers_or_names_of_the_tag(tmp_path, when, values, words):
    config = loaded(tmp_path, f"maintenance: {{tag: mode, when: {when}}}")
    rule = maintenance_of(config.file, config.tags)._rule
    assert (rule.number, rule.values, rule.words) == (1, values, words)
    assert rule.patience >= 60 * 10**9


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{tag: mod, when: 3}", 'no source reads a tag mod.*did you mean "mode"'),
        ("{tag: mode, when: cleanin}", 'no value of that name: cleanin.*did you mean "cleaning"'),
        ("{tag: flow, when: cleaning}", "write the number"),
        ("{tag: mode, when: []}", "at least 1"),
        ("{tag: mode}", "when"),
        ("{tag: mode, when: .nan}", "finite"),
    ],
)
def test_what_can_never_be_is_an_error_at_its_place(tmp_path, section, words):
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        loaded(tmp_path, f"maintenance: {section}")


def test_a_value_out_of_the_tags_bounds_is_a_warning(tmp_path):
    config = loaded(tmp_path, "maintenance: {tag: mode, when: 12}")
    assert ["never holds" in str(each.message) for each in config.warnings].count(True) == 1
