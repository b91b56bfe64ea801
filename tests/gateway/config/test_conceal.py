import time

import pytest

from gateway.config.conceal import conceal, masked_from, secrets_in, shown_line


def shown(text):
    lines = text.split("\n")
    masked = masked_from(lines)
    return "\n".join(shown_line(line, masked.get(number)) for number, line in enumerate(lines))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("token: abc", "token: ********"),
        ('  password: "a b, c"', "  password: ********"),
        ("s: {type: x, api_key: abc, b: 1}", "s: {type: x, api_key: ********"),
        ("client_secret: abc # note", "client_secret: ********"),
        ("port: 1 # note", "port: 1"),
        ("password:\n  abc\nport: 1", "password:\n********\nport: 1"),
        ("? password\n: abc\nport: 1", "? password\n: ********\nport: 1"),
        ("- token: abc\n  port: 1", "- token: ********\n  port: 1"),
        ("token: ${env:TOKEN}", "token: ${env:TOKEN}"),
        ("token: '${file:/a b}', b: 1", "token: '${file:/a b}', b: 1"),
        ("token: ${env:TOKEN", "token: ********"),
        ("url: opc.tcp://me:pw@host/x", "url: opc.tcp://********@host/x"),
        ("url: https://a:b@c@host/x?y", "url: https://********@host/x?********"),
        ("host: me:pw@host", "host: ********@host"),
        ("tags: {speed: {unit: rpm}}", "tags: {speed: {unit: rpm}}"),
        ("topic: plant/press/#", "topic: plant/press/#"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(written, expected):
    assert shown(written) == expected


@pytest.mark.parametrize(
    "message",
    [
        "use `username:` and `password: ${env:NAME}` beside the URL",
        "`password` needs `username`",
        "write it as in https://influx.example.com:8086",
        'must be text, not "x"',
    ],
)
def test_messages_of_ours_stay_as_they_are(message):
    assert conceal(message) == message


def test_a_message_with_a_secret_is_masked():
    assert "hunter2" not in conceal("cannot read token: hunter2 of http://me:hunter2@h?hunter2")


def test_names_that_people_chose_are_no_secrets_keys():
    data = {"tags": {"token": {"address": 7}}, "enumeration": {"pass": 1, "secret": 2}}
    assert list(secrets_in(data)) == []
    assert set(secrets_in({"password": {"a": ["b", 1]}})) == {"a", "b", "1"}


@pytest.mark.parametrize(
    "piece",
    [
        "password:\n",
        "password: [\n",
        'token: "\n',
        "a: {token:\n",
        "password ",
        "x",
        " ",
        "\n",
        "# ",
        "://",
        "a@",
        "? password\n",
        "  password: |\n",
        "-----BEGIN\n",
        "a b # c\n",
    ],
)
def test_a_hostile_file_takes_no_long_time(piece):
    began = time.process_time()
    text = piece * (1_000_000 // len(piece))
    lines = text.split("\n")
    masked = masked_from(lines)
    for number in (0, len(lines) // 2, len(lines) - 1):
        shown_line(lines[number], masked.get(number))
    assert time.process_time() - began < 10
