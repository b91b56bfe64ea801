"""Texts of alarms in another language: each key known, each placeholder in its place."""

from pathlib import Path

import pytest

from gateway.api.alarms import Alarm, AlarmState, Transition
from gateway.api.model import Tag
from gateway.config.language import LONGEST
from gateway.config.load import load
from gateway.config.problems import ConfigProblems
from gateway.core.alarms.texts import TEXTS
from gateway.core.alarms.words import Occasion, Words

ROOT = Path(__file__).parents[3]
GERMAN = ROOT / "configs/languages/de.yaml"
LINE = """\
version: 1
line: press-3
site: demo-plant
sources:
  plc: {type: modbus, host: 192.168.0.10, tags: {oil: {address: 0, unit: °C}}}
detectors:
  guard: {type: limits, tags: {oil: {high: 65}}}
alarms: {language: texts.yaml}
"""
HEAD = "version: 1\nlanguage: de\n"


@pytest.fixture
def plant(tmp_path):
    """A function that writes the language file and loads the line that names it."""

    def write(language):
        (tmp_path / "line.yaml").write_text(LINE)
        (tmp_path / "texts.yaml").write_text(language)
        return load(tmp_path / "line.yaml")

    return write


def problems(write, language):
    with pytest.raises(ConfigProblems) as caught:
        write(language)
    return [(Path(p.file).name, p.line, p.path, p.message) for p in caught.value.problems]


def test_a_text_replaces_the_english_one_and_the_others_stay(plant):
    texts = plant(HEAD + 'texts: {high: "{tag} zu hoch"}\n').texts
    assert texts["high"] == "{tag} zu hoch"
    assert {**texts, "high": TEXTS["high"]} == TEXTS


def test_a_line_without_a_language_speaks_english(tmp_path):
    (tmp_path / "line.yaml").write_text(LINE.replace("alarms: {language: texts.yaml}\n", ""))
    assert load(tmp_path / "line.yaml").texts == TEXTS


def test_another_text_is_another_version_of_the_line(plant):
    first, same, other = (
        plant(HEAD + f'texts: {{high: "{text}"}}\n').digest
        for text in ("{tag} zu hoch", "{tag} zu hoch", "{tag} hoch")
    )
    assert first == same != other


@pytest.mark.parametrize(
    ("texts", "line", "path", "message"),
    [
        ('texts:\n  hihg: "{tag} zu hoch"', 4, "texts.hihg", "no text has this key"),
        ('texts:\n  high: "zu hoch"', 4, "texts.high", "must contain {tag}"),
        ('texts:\n  cause: "{tag} {share}"', 4, "texts.cause",
         "must contain {expected} and {value}"),
        ('texts:\n  high: "{tag} bei {values}"', 4, "texts.high",
         "this text has no placeholder {values}"),
        ('texts:\n  high: "{tag} {}"', 4, "texts.high", "this text has no placeholder {}"),
        ('texts:\n  high: "{tag}\\nhoch"', 4, "texts.high",
         "must be one line without control characters"),
        ('texts:\n  decimal point: "::"', 4, "texts.decimal point", "must be a single character"),
        ("texts:\n  high: 5", 4, "texts.high", "must be text, not 5"),
        ("texts: {}\ntxts: {}", 4, "txts", "unknown key"),
        ("version: 2\ntexts: {}", 3, "version", "duplicate key, first at line 1"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_language_file_is_told_at_its_line(plant, texts, line, path, message):
    assert ("texts.yaml", line, path, message) in problems(plant, HEAD + texts + "\n")


def test_a_hint_names_the_key_that_was_meant_or_the_english_text(plant):
    with pytest.raises(ConfigProblems) as caught:
        plant(HEAD + 'texts:\n  hihg: "{tag}"\n  low: "niedrig"\n')
    assert [p.hint for p in caught.value.problems] == [
        'did you mean "high"?',
        "the English text is: {tag} low",
    ]


def test_a_text_has_a_longest_length(plant):
    assert plant(HEAD + f'texts: {{high: "{{tag}}{"x" * (LONGEST - 5)}"}}\n')
    ((_, line, path, _),) = problems(plant, HEAD + f'texts: {{high: "{"x" * (LONGEST + 1)}"}}\n')
    assert (line, path) == (3, "texts.high")


def test_a_language_file_that_is_missing_is_told_where_it_is_named(tmp_path):
    (tmp_path / "line.yaml").write_text(LINE)
    ((file, line, path, message),) = problems(lambda _: load(tmp_path / "line.yaml"), "")
    assert (file, line, path) == ("line.yaml", 8, "alarms.language")
    assert message.startswith("there is no file ")


def test_the_problems_of_the_line_and_of_its_language_come_together(plant, tmp_path):
    (tmp_path / "texts.yaml").write_text(HEAD + 'texts: {high: "zu hoch"}\n')
    (tmp_path / "line.yaml").write_text(LINE.replace("high: 65", "hihg: 65"))
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path / "line.yaml")
    assert {Path(p.file).name for p in caught.value.problems} == {"line.yaml", "texts.yaml"}


def test_a_file_that_is_no_language_file_is_not_shown(plant):
    ((_, _, _, message),) = problems(plant, "root:x:0:0\nsecret: hunter2\n")
    assert "nothing of it is shown" in message


def test_the_german_texts_are_complete_and_fit(plant):
    texts = plant(GERMAN.read_text()).texts
    english = {key for key in TEXTS if texts[key] == TEXTS[key]}
    # Those without a word of their own, and one word that is the same.
    assert english == {
        "cause without expectation", "cause without value", "causes", "reason", "advice",
        "state normal",
    }  # fmt: skip


def test_an_alarm_is_told_in_german(plant):
    tags = {"oil": Tag("oil", "plc", 1, "°C", description="Öl")}
    words = Words("press-3", tags, plant(GERMAN.read_text()).texts, lambda _at, form: form)
    alarm = Alarm("oil.high", 65.0, tag="oil")
    said = words.say(alarm, Transition.RAISED, Occasion(70.5, since=1))
    assert said == "Öl hoch: 70,5 °C, Grenze 65 °C, seit %H:%M:%S"
    assert words.say(alarm, Transition.ACKNOWLEDGED, Occasion(70.5, by="anna")) == (
        "Öl hoch: quittiert von anna"
    )
    assert words.state(AlarmState.RETURNED_UNACKNOWLEDGED) == "gegangen, nicht quittiert"
