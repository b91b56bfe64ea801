"""Quantities with units, names, URLs, secrets, and what every tag and alarm may say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.api.contracts import ConfigError
from gateway.api.model import SECOND, Tag
from gateway.api.options import (
    Duration,
    FilePath,
    Name,
    PositiveDuration,
    Secret,
    Size,
    Strict,
    TagOptions,
    Url,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


class Options(Strict):
    period: PositiveDuration = SECOND
    delay: Duration = 0
    size: Size = 1
    password: Secret | None = None


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("5us", 5_000),
        ("500ms", 500_000_000),
        ("5s", 5 * SECOND),
        ("2m", 120 * SECOND),
        ("2min", 120 * SECOND),
        ("1.5h", 5400 * SECOND),
        ("7d", 604_800 * SECOND),
        (" 5 s ", 5 * SECOND),
        (17, 17),
        (0, 0),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text, nanos):
    assert parse_duration(text) == nanos


@pytest.mark.parametrize(
    "text", ["5", "s", "", "5 parsecs", "-5s", "5s 3ms", True, None, -1, 1.5, "5S"]
)
def test_what_is_not_a_duration_is_refused_with_what_would_be_right(text):
    with pytest.raises(ValueError, match="500ms"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("7B", 7), ("2kB", 2000), ("2KiB", 2048), ("3MB", 3 * 10**6), ("64MiB", 64 * 2**20),
     ("1GB", 10**9), ("1.5GiB", 3 * 2**29), (" 1 B ", 1)],
)  # fmt: skip
def test_a_size_is_a_number_with_a_unit(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["5", "5mb", "", None, "-1B", 5])
def test_what_is_not_a_size_is_refused_with_what_would_be_right(text):
    with pytest.raises(ValueError, match="64MiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "0s"), (1_000, "1us"), (500_000_000, "500ms"), (5 * SECOND, "5s"), (90 * SECOND, "90s"),
     (120 * SECOND, "2min"), (7200 * SECOND, "2h"), (172_800 * SECOND, "2d"), (1, "1e-09s")],
)  # fmt: skip
def test_a_duration_is_written_the_shortest_way(nanos, text):
    assert format_duration(nanos) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1, "1B"), (2000, "2kB"), (2048, "2KiB"), (10**6, "1MB"), (2**31, "2GiB")],
)
def test_a_size_is_written_the_shortest_way(count, text):
    assert format_size(count) == text


@given(st.integers(0, 10**12).map(lambda n: n * 1000), st.integers(0, 2**50))
def test_what_is_written_is_read_as_the_same(nanos, count):
    assert parse_duration(format_duration(nanos)) == nanos
    assert parse_size(format_size(count)) == count


def test_in_a_file_a_bare_number_is_not_a_duration():
    with pytest.raises(ValidationError, match="no unit"):
        Options(delay=5)
    assert Options(delay="0s").delay == 0


@pytest.mark.parametrize("text", ["0s", "0ms"])
def test_a_period_is_longer_than_zero(text):
    with pytest.raises(ValidationError, match="longer than zero"):
        Options(period=text)


def test_quantities_stay_numbers_in_python_and_are_written_as_in_the_file_in_json():
    options = Options(period="500ms", delay="2h", size="2GiB")
    assert options.model_dump()["size"] == 2**31
    assert json.loads(options.model_dump_json()) == {
        "period": "500ms",
        "delay": "2h",
        "size": "2GiB",
        "password": None,
    }
    schema = Options.model_json_schema()["properties"]
    assert schema["period"]["type"] == schema["size"]["type"] == "string"


def test_an_unknown_key_is_an_error_and_options_cannot_be_changed():
    with pytest.raises(ValidationError, match="extra"):
        Options(perod="5s")
    with pytest.raises(ValidationError, match="frozen"):
        Options().delay = 5


@pytest.mark.parametrize(
    ("name", "fits"),
    [("pump_1.flow-a", True), ("_x", True), ("a" * 64, True), ("a" * 65, False), ("1a", False),
     ("", False), ("a b", False), ("a\n", False), ("é", False)],
)  # fmt: skip
def test_a_name_is_short_and_plain(name, fits):
    adapter = TypeAdapter(Name)
    if fits:
        assert adapter.validate_python(name) == name
        return
    with pytest.raises(ValidationError):
        adapter.validate_python(name)


def test_a_url_holds_no_password():
    assert TypeAdapter(Url).validate_python("mqtt://host:1883") == "mqtt://host:1883"
    with pytest.raises(ValidationError, match=r"password: \$\{env:NAME\}") as caught:
        TypeAdapter(Url).validate_python("mqtt://me:hidden@host")
    assert "clear text" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["hidden", "", None, 5, "${env:}", "${other:NAME}", "${env:NAME} ", "${env:A}${env:B}"]
)
def test_a_secret_is_named_and_never_written(text):
    with pytest.raises(ValueError, match="clear text") as caught:
        Secret(text)
    assert "hidden" not in str(caught.value)


def test_a_secret_is_read_again_each_time(monkeypatch):
    secret = Secret("${env:ANDON_TEST_SECRET}")
    for value in ("one", "two"):
        monkeypatch.setenv("ANDON_TEST_SECRET", value)
        assert secret.resolve() == value
    monkeypatch.delenv("ANDON_TEST_SECRET")
    with pytest.raises(ConfigError, match="ANDON_TEST_SECRET"):
        secret.resolve()


def test_a_secret_in_a_file_ends_before_its_last_newline(tmp_path):
    (tmp_path / "token").write_text(" abc \n\n")
    assert Secret(f"${{file:{tmp_path}/token}}").resolve() == " abc "
    with pytest.raises(ConfigError, match="No such file"):
        Secret(f"${{file:{tmp_path}/none}}").resolve()


def test_a_credential_is_in_systemds_folder(tmp_path, monkeypatch):
    secret = Secret("${credential:token}")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="LoadCredential"):
        secret.resolve()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "token").write_text("abc\n")
    assert secret.resolve() == "abc"


def test_printing_a_secret_shows_its_name_alone(monkeypatch):
    monkeypatch.setenv("ANDON_TEST_SECRET", "hidden")
    options = Options(password="${env:ANDON_TEST_SECRET}")
    for shown in (str(options), repr(options.password), options.model_dump_json()):
        assert "${env:ANDON_TEST_SECRET}" in shown
        assert "hidden" not in shown
    assert Options(password=options.password).password is options.password
    pattern = Options.model_json_schema()["properties"]["password"]["anyOf"][0]["pattern"]
    assert pattern.startswith(r"^\$\{(env:")


def test_a_tag_has_the_sources_period_unless_it_says_its_own():
    options = TagOptions(unit="rpm", low=0, high=9.5, description="speed of the pump")
    assert options.as_tag("speed", "plc", 7) == Tag(
        "speed", "plc", 7, "rpm", 0, 9.5, "speed of the pump"
    )
    assert TagOptions(period="2s").as_tag("speed", "plc", 7).period == 2 * SECOND


def test_of_two_names_for_one_number_the_first_is_shown():
    tag = TagOptions(enumeration={"stopped": 0, "off": 0, "running": 1}).as_tag("mode", "plc", 1)
    assert tag.names == {0.0: "stopped", 1.0: "running"}


@pytest.mark.parametrize("enumeration", [{"": 0}, {"x": float("nan")}])
def test_a_state_has_a_name_and_a_number(enumeration):
    with pytest.raises(ValidationError):
        TagOptions(enumeration=enumeration)


def test_bounds_are_not_exchanged():
    assert TagOptions(low=5, high=5).high == 5
    assert TagOptions(high=-1).low is None
    with pytest.raises(ValidationError, match="below low"):
        TagOptions(low=5, high=4.9)


@pytest.mark.parametrize("text", ["99999999999999999999d", "9" * 5_000 + "s", "36500.1d"])
def test_a_duration_of_ages_is_refused_and_not_repeated_in_full(text):
    with pytest.raises(ValueError, match=r"is too long: at most 36500d") as refused:
        parse_duration(text)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize("text", ["2000000GiB", "9" * 5_000 + "B"])
def test_a_size_beyond_all_disks_is_refused(text):
    with pytest.raises(ValueError, match="is too large: at most 1048576GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "at least 1"),
        ("a\0b", "holds a character"),
        ("a\nb", "holds a character"),
        ("a" * 256, "is too long"),
        ("ä" * 128, "is too long"),
        ("a/" * 2_048, "is too long"),
    ],
)
def test_a_path_that_no_file_has_is_refused(path, why):
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(FilePath).validate_python(path)


@pytest.mark.parametrize("path", ["a" * 255, "/etc/ssl/Öl b.pem", "../x", "a/" * 2_047])
def test_a_path_that_a_file_can_have_is_taken(path):
    assert TypeAdapter(FilePath).validate_python(path) == path


@pytest.mark.parametrize("bounds", [{"low": float("nan")}, {"low": float("inf")},
                                    {"high": float("nan")}, {"high": float("-inf")}])  # fmt: skip
def test_a_bound_that_no_value_is_within_is_refused(bounds):
    with pytest.raises(ValidationError, match="would make every value bad"):
        TagOptions(**bounds)


def test_a_secret_that_is_not_text_is_told_without_it(tmp_path, monkeypatch):
    (tmp_path / "token").write_bytes(b"s3cret\xff")
    with pytest.raises(ConfigError, match="cannot be read: it is not UTF-8 text") as refused:
        Secret(f"${{file:{tmp_path}/token}}").resolve()
    assert "s3cret" not in str(refused.value)
    monkeypatch.setenv("ANDON_BYTES", "a\udcff")
    with pytest.raises(ConfigError, match="ANDON_BYTES is not UTF-8 text"):
        Secret("${env:ANDON_BYTES}").resolve()


async def test_a_secret_is_read_off_the_loop_too(tmp_path):
    (tmp_path / "token").write_text("abc\r\n")
    assert await Secret(f"${{file:{tmp_path}/token}}").read() == "abc"
