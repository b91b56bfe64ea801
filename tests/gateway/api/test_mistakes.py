import enum
import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from gateway.api.mistakes import sentences
from gateway.api.options import Duration, Name, PositiveDuration, Secret, Size, Strict, Url


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Strict):
    depth: int = 0


class Cat(Strict):
    type: Literal["cat"]


class Dog(Strict):
    type: Literal["dog"]


class Example(Strict):
    """A field for each kind of value that a plugin may ask for."""

    port: Annotated[int, Field(ge=1, le=65535)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    even: Annotated[int, Field(multiple_of=2)] = 2
    on: bool = True
    name: Name = "a"
    text: Annotated[str, Field(min_length=2, max_length=4)] = "ab"
    colour: Colour = Colour.RED
    one: Literal["this"] = "this"
    wait: Duration = 0
    period: PositiveDuration = 1
    size: Size = 1
    url: Url = ""
    password: Secret | None = None
    inner: Inner = Inner()
    pet: Annotated[Cat | Dog, Field(discriminator="type")] | None = None
    names: list[str] = []
    pair: tuple[int, int] = (0, 0)
    some: set[int] = set()
    table: dict[str, float] = {}
    few: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    path: Path = Path()
    address: ipaddress.IPv4Address | None = None
    finite: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    checked: int = 0

    @field_validator("checked")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value and value % 2 == 0:
            raise ValueError("must be odd")
        return value


PYDANTIC = (
    *("Value error", "Assertion", "Input should", "Field required", "should match", "permitted"),
    *("Extra inputs", "valid dictionary", "discriminator", "Unable to", "For further information"),
    *("Example", "Inner", "Cat", "Dog", "Colour", "<class", "input_type", "ValidationError"),
)
WRONG: list[Any] = [
    *(None, "", "text", -1, 0, 1.5, True, [], {}, [1, 2, 3], {"a": "b"}, float("inf"), 10**400),
    *(object(), b"bytes", {"type": "cow"}, {"type": "cat", "x": 1}, "9" * 5000),
]


@pytest.mark.parametrize("field", Example.model_fields)
def test_no_mistake_is_told_in_pydantics_words(field):
    for value in WRONG:
        try:
            Example.model_validate({field: value}, strict=False)
        except ValidationError as error:
            said = sentences(error)
            assert said
            assert all(each.startswith(field) for each in said)
            assert not [words for words in PYDANTIC for each in said if words in each], said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 70000}, "port: must be at most 65535, not 70000"),
        ({"port": "x"}, 'port: must be a whole number, not "x"'),
        ({"on": "perhaps"}, 'on: must be true or false, not "perhaps"'),
        ({"colour": "green"}, 'colour: must be one of red, blue, not "green"'),
        ({"one": "that"}, 'one: must be this, not "that"'),
        ({"inner": 5}, "inner: must hold keys and values, not 5"),
        ({"inner": {"dept": 5}}, "inner.dept: unknown key"),
        ({"name": "a b"}, 'name: "a b" does not have the right form'),
        ({"few": []}, "few: must have at least 1 entry"),
        ({"checked": 2}, "checked: must be odd"),
        ({"address": "x"}, "address: is not a valid IPv4 address"),
    ],
)
def test_a_mistake_names_its_option_and_what_would_be_right(given, said):
    with pytest.raises(ValidationError) as error:
        Example.model_validate(given)
    assert said in sentences(error.value)


def test_a_secret_is_not_repeated():
    class Login(BaseModel):
        password: int
        api_key: Annotated[str, Field(max_length=3)]
        token: Annotated[str, Field(pattern="^x")]

    with pytest.raises(ValidationError) as error:
        Login.model_validate({"password": "hunter2", "api_key": "hunter2", "token": "hunter2"})
    assert "hunter2" not in "".join(sentences(error.value))
