"""Columns that no tag can be called after are named, with a mapping that can be copied."""

import pytest
import yaml

from detectors.data.names import example, is_tag_name, mapping_needed, proposed

ODD = [
    "Öldruck", "Pump 1/Flow (m³/h)", "Temperatur °C", "3rd stage", "a b", "Druck [bar]", "流量",
    'quoted "x"', "back\\slash", "a:b", "#3", "Straße", "x" * 65, "-", "Pump 1\nFlow", "%",
]  # fmt: skip


@pytest.mark.parametrize("column", ODD)
def test_a_valid_name_is_proposed_for_an_odd_column(column):
    assert not is_tag_name(column)
    assert is_tag_name(proposed(column))


@pytest.mark.parametrize("column", [each for each in ODD if "\n" not in each])
def test_the_mapping_can_be_copied_into_a_line_file(column):
    tags = yaml.safe_load(example([column]))["tags"]
    assert list(tags) == [column]


def test_each_column_gets_a_name_of_its_own():
    tags = yaml.safe_load(example(["a b", "a/b", "a (b)"]))["tags"]
    assert len(set(tags.values())) == 3


def test_nothing_is_said_about_names_that_a_line_can_have():
    assert mapping_needed(["flow", "press-1.oil", "_x"]) == ""
    assert mapping_needed(["Öldruck"], mapped=["Öldruck"]) == ""


def test_the_columns_are_named_with_the_mapping():
    assert mapping_needed(["flow", "Öldruck"]) == (
        "no tag of a line can be called 'Öldruck': map each to the line's tag in the onnx "
        'detector, as in tags: {"Öldruck": oeldruck}'
    )
    assert mapping_needed(ODD).count(" or ") == 9
