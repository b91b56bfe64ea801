import base64
import json
from urllib.parse import quote

import pytest

from gateway.api.masking import MASK, forget, mask, remember

SECRET = "p€ss/w rd\"+\\1'é"


@pytest.mark.parametrize(
    "form",
    [
        str,
        repr,
        json.dumps,
        lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
        lambda secret: quote(secret, safe=""),
        lambda secret: repr(secret.encode()),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(f"me:{secret}".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"user:{secret}".encode()).decode(),
        lambda secret: f"a line\n{secret}\nanother",
    ],
)
def test_a_resolved_secret_is_masked_in_each_of_its_forms(form):
    forget()
    written = form(SECRET)
    assert mask(written) == written
    remember(SECRET)
    masked = mask(written)
    assert MASK in masked
    assert SECRET not in masked
    assert len(masked.replace(MASK, "")) < len(written) - len(SECRET) + 3


def test_a_secret_with_a_newline_at_its_end_is_masked_without_it():
    remember("hunter2\n")
    assert mask("the password hunter2 is wrong") == f"the password {MASK} is wrong"


def test_the_longer_of_two_secrets_leaves_no_rest():
    remember("abcdef")
    remember("abcdef-ghijkl")
    assert mask("abcdef-ghijkl") == MASK


def test_a_short_secret_is_masked_where_it_stands_alone():
    remember("abc")
    assert mask("abc, abcd, /abc.txt") == f"{MASK}, abcd, /abc.txt"
    remember("x")
    assert mask("x = 1") == "x = 1"


def test_only_a_bounded_number_of_secrets_is_kept():
    for number in range(300):
        remember(f"secret-number-{number:04}")
    assert mask("secret-number-0299") == MASK
    assert mask("secret-number-0001") == "secret-number-0001"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Token hunter2",
        "authorization: hunter2",
        "{'Authorization': 'Token hunter2'}",
        "('Authorization', 'Bearer hunter2')",
        "b'Proxy-Authorization: Basic hunter2\\r\\n'",
        '"Authorization":"Basic hunter2"',
        "http://me:hunter2@host/",
        "opc.tcp://hunter2@host",
        "GET /write?u=me&token=hunter2&x=1",
        "password=hunter2;",
    ],
)
def test_a_login_of_a_header_or_a_url_is_masked_whoever_resolved_it(text):
    assert "hunter2" not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the token cannot be read",
        "no answer within 5 s",
        "https://influx.example.com:8086/api",
        "`password` needs `username`",
        "401 unauthorized: check the token",
        "the environment variable INFLUX_TOKEN is not set",
    ],
)
def test_what_holds_no_secret_is_left_as_it_is(text):
    assert mask(text) == text


@pytest.mark.parametrize("piece", ["://", "Authorization ", "Authorization: ", "token=", "a@", " "])
def test_a_hostile_text_is_masked_in_time(piece):
    remember("hunter2")
    assert len(mask(piece * (200_000 // len(piece)))) > 0
