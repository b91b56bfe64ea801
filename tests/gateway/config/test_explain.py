import json
from typing import Annotated, Literal, Self, Union

import pytest
from pydantic import Field, ValidationError, model_validator

from gateway.api.alarms import Severity
from gateway.api.options import Name, PositiveDuration, Secret, Strict, Url
from gateway.config.explain import explain
from gateway.config.parse import parse


class Retry(Strict):
    attempts: Annotated[int, Field(ge=1, le=9)] = 3


class Pump(Strict):
    type: Literal["pump"]
    host: str
    """Name or address of the pump."""
    retry: Retry = Retry()
    limits: int | float | list[int] = 0


class Valve(Strict):
    type: Literal["valve", "gate"]
    stroke: PositiveDuration
    password: Secret | None = None
    url: Url = ""


class Plant(Strict):
    version: Literal[1]
    name: Name = "plant"
    severity: Severity = Severity.LOW
    parts: dict[Name, Annotated[Pump | Valve, Field(discriminator="type")]] = {}
    """The parts of the plant."""
    order: tuple[str, ...] = ()
    only: dict[Name, Annotated[Union[(Pump,)], Field(discriminator="type")]] = {}  # noqa: UP007
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


def problems_of(text):
    """(line, column, path, message, hint) of every problem."""
    document = parse(text, "plant.yaml")
    with pytest.raises(ValidationError) as caught:
        Plant.model_validate_json(json.dumps(document.data), strict=True)
    problems = explain(caught.value, document, Plant)
    return [(p.line, p.column, p.path, p.message, p.hint) for p in problems]


def test_a_key_named_like_a_discriminator_is_not_mistaken_for_it():
    text = "version: 1\nparts:\n  p:\n    type: pump\n    pump: {}\n    host: 5\n"

    assert [(line, path) for line, _, path, _, _ in problems_of(text)] == [
        (5, "parts.p.pump"),
        (6, "parts.p.host"),
    ]


def test_a_sections_docstring_is_not_a_hint_for_its_entries():
    assert problems_of("version: 1\nparts:\n  p: 5\n")[0][4] == ""
    assert problems_of("version: 1\nparts: 5\n")[0][4] == "The parts of the plant."


def test_a_choice_of_one_is_still_a_choice():
    text = "version: 1\nonly:\n  p:\n    type: pump\n    hots: x\n"

    assert problems_of(text) == [(5, 5, "only.p.hots", "unknown key", 'did you mean "host"?')]


def test_an_error_of_the_whole_file_has_a_place():
    assert problems_of("# note\nversion: 1\nlow: 5\n") == [
        (2, 1, "", "low must not be above high", "")
    ]


def test_a_missing_field_is_reported_at_its_parent_with_its_docstring():
    assert problems_of("version: 1\nparts:\n  p: {type: pump}\n") == [
        (3, 3, "parts.p.host", 'required: "host" is missing', "Name or address of the pump.")
    ]


def test_a_mistyped_required_key_is_one_problem():
    assert problems_of("version: 1\nparts:\n  p: {type: pump, hots: x}\n") == [
        (3, 19, "parts.p.hots", "unknown key", 'did you mean "host"?')
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("p: {type: pump, host: x, attempts: 2}", "`attempts` belongs under parts.p.retry"),
        ("p: {type: pump, host: x, retry: {host: y}}", "`host` belongs under parts.p"),
        (
            "p: {type: pump, host: x, severity: low}",
            "`severity` belongs at the top level of the file",
        ),
        (
            "p: {type: pump, host: x, stroke: 5s}",
            "`stroke` belongs to type gate or valve, not pump",
        ),
        ("p: {type: pump, host: x, zzz: 5s}", "known here: host, retry, limits"),
    ],
)
def test_a_misplaced_key_comes_with_the_section_where_it_belongs(text, hint):
    ((_, _, _, message, actual_hint),) = problems_of(f"version: 1\nparts:\n  {text}\n")

    assert (message, actual_hint) == ("unknown key", hint)


def test_a_value_of_several_types_is_one_problem():
    ((_, _, path, message, _),) = problems_of(
        "version: 1\nparts:\n  p: {type: pump, host: x, limits: y}\n"
    )

    assert path == "parts.p.limits"
    assert message == 'must be a whole number or a number or a list, not "y"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("severity: hi", 'must be one of low, medium, high, critical, not "hi"'),
        ("name: a b", '"a b" is not a name'),
        ("low: yes", 'must be a number, not "yes"'),
        ("low: true", "must be a number, not true"),
        ("order: x", 'must be a list, not "x"'),
        ("parts: [1]", "must hold keys and values, not a list"),
        ("parts: {p: 5}", "must hold keys and values, not 5"),
        ("parts: {p: {}}", 'required: "type" is missing'),
        ("parts: {p: {type: 5}}", 'unknown type "5"'),
        ("parts: {p: {type: [x]}}", "unknown type"),
        ("parts: {p: {type: pump, host: ~}}", "must be text, not nothing"),
        ("parts: {p: {type: pump, host: x, retry: {attempts: 10}}}", "must be at most 9, not 10"),
        ("parts: {p: {type: valve, stroke: 0s}}", "must be longer than zero"),
    ],
)
def test_the_message_says_what_would_be_right(text, message):
    assert any(message in problem[3] for problem in problems_of(f"version: 1\n{text}\n"))


def test_an_item_of_a_list_has_its_own_line():
    assert [
        (line, path) for line, _, path, _, _ in problems_of("version: 1\norder:\n  - a\n  - 5\n")
    ] == [(4, "order.1")]


def test_a_secret_is_not_repeated():
    text = "version: 1\nparts:\n  p:\n    type: valve\n    stroke: 5s\n    password: hunter2\n"
    text += "    url: http://me:hunter2@host\n"

    problems = problems_of(text)

    assert [line for line, *_ in problems] == [6, 7]
    assert "hunter2" not in str(problems)
