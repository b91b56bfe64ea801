"""Secrets of sinks that speak HTTP."""

import pytest

from gateway.api.contracts import SinkUnavailable
from gateway.api.options import Secret
from gateway.sinks.secret_values import header_value, secret_value


@pytest.fixture
def token(monkeypatch):
    """Sets the secret's value; the reference to it."""

    def given(value):
        monkeypatch.setenv("ANDON_TEST_TOKEN", value)
        return Secret("${env:ANDON_TEST_TOKEN}")

    return given


async def test_white_space_around_a_secret_is_no_part_of_it(token):
    assert await secret_value(token(" s3cret\n")) == "s3cret"
    assert await secret_value(None) == await header_value(None) == ""


@pytest.mark.parametrize("value", ["a\nb", "schlüssel"])
async def test_what_cannot_be_in_a_header_is_refused_without_showing_it(token, value):
    with pytest.raises(SinkUnavailable, match="must be one row of ASCII text") as refused:
        await header_value(token(value))
    assert value not in str(refused.value)
    assert "ANDON_TEST_TOKEN" in str(refused.value)
    assert refused.value.needs_human


async def test_a_secret_that_is_not_there_needs_a_person(monkeypatch):
    monkeypatch.delenv("ANDON_TEST_NONE", raising=False)
    with pytest.raises(SinkUnavailable, match="ANDON_TEST_NONE") as refused:
        await secret_value(Secret("${env:ANDON_TEST_NONE}"))
    assert refused.value.needs_human
