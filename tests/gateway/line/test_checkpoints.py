"""The keys of checkpoints."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.api.options import Name
from gateway.line import checkpoints

KEYS = [value for name, value in vars(checkpoints).items() if name.isupper()]


def test_no_two_keys_are_the_same():
    assert len(KEYS) == len(set(KEYS)) == 6


@pytest.mark.parametrize("key", KEYS)
def test_no_detector_can_have_the_name_of_a_key(key):
    with pytest.raises(ValidationError, match="pattern"):
        TypeAdapter(Name).validate_python(key)
