from pathlib import Path

import pytest

from gateway.api.contracts import ConfigError, ModelError
from gateway.api.model import SECOND
from gateway.config import plugins
from gateway.config.build import build_detectors
from gateway.config.load import load, state_folder
from gateway.config.problems import ConfigProblems

LINE = """\
version: 1
line: press-3
site_file: site.yaml
sources:
  plc:
    type: modbus
    host: 192.168.0.10
    period: 500ms
    tags:
      oil: {address: 0, unit: °C}
      flow: {address: 1, period: 2s}
detectors:
  guard: {type: limits, tags: {oil: {high: 65}}}
"""
SITE = """\
version: 1
site: demo-plant
sinks:
  archive: {type: file}
  cloud: {type: influx, url: "https://a.example", org: o, bucket: b, token: "${env:T}"}
buffer: {max_bytes: 1GiB}
security: {allow_insecure: false}
"""


@pytest.fixture
def plant(tmp_path):
    """A function that writes the two files, each changed by replacements, and loads the line."""

    def write(line=(), site=()):
        (tmp_path / "line.yaml").write_text(changed(LINE, line))
        (tmp_path / "site.yaml").write_text(changed(SITE, site))
        return load(tmp_path / "line.yaml")

    return write


def changed(text, changes):
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def problems(write, **changes):
    with pytest.raises(ConfigProblems) as caught:
        write(**changes)
    return [(Path(p.file).name, p.line, p.path) for p in caught.value.problems]


def test_a_line_takes_what_the_site_shares(plant):
    config = plant()

    assert (config.line, config.site) == ("press-3", "demo-plant")
    assert list(config.sinks) == ["archive", "cloud"]
    assert config.file.buffer.max_bytes == 2**30
    assert config.security.allow_insecure is False


def test_the_line_wins_over_the_site_name_by_name(plant):
    own = "sinks: {cloud: {type: file}}\nbuffer: {max_bytes: 5MiB}\ndetectors:"

    config = plant(line=[("detectors:", own)])

    assert {name: options.type for name, options in config.sinks.items()} == {
        "archive": "file",
        "cloud": "file",
    }
    assert config.file.buffer.max_bytes == 5 * 2**20


def test_a_line_without_any_sink_writes_to_a_file(plant):
    config = plant(line=[("site_file: site.yaml", "site: here")])

    assert [(name, options.type) for name, options in config.sinks.items()] == [("file", "file")]


def test_tags_come_in_the_order_of_the_file_with_their_periods(plant):
    config = plant()

    assert [(tag.name, tag.source, tag.period, tag.unit) for tag in config.tags] == [
        ("oil", "plc", SECOND // 2, "°C"),
        ("flow", "plc", 2 * SECOND, ""),
    ]
    assert config.tags_of("plc") == config.tags
    assert config.tags_of("other") == ()


def test_problems_of_both_files_come_together(plant):
    places = problems(
        plant,
        line=[("period: 500ms", "period: 500"), ("{oil:", "{oli:")],
        site=[("1GiB", "1"), ("version: 1", "version: x")],
    )

    assert places == [
        ("line.yaml", 8, "sources.plc.period"),
        ("line.yaml", 13, "detectors.guard.tags.oli"),
        ("site.yaml", 1, "version"),
        ("site.yaml", 6, "buffer.max_bytes"),
    ]


def test_a_broken_site_file_is_reported_with_its_own_name(plant):
    assert problems(plant, site=[("sinks:", "site: twice\nsinks:")]) == [("site.yaml", 3, "site")]
    assert problems(plant, site=[("version: 1", "version: 7")]) == [("site.yaml", 1, "version")]
    assert problems(plant, site=[("${env:T}", "abc")]) == [("site.yaml", 5, "sinks.cloud.token")]


def test_a_line_may_not_set_what_only_the_site_file_may(plant):
    assert problems(plant, line=[("detectors:", "security: {}\ndetectors:")]) == [
        ("line.yaml", 12, "security")
    ]


def test_the_state_folder_is_the_files_then_systemds_then_the_users(plant, monkeypatch, tmp_path):
    config = plant()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert state_folder(config.file, tmp_path) == tmp_path / ".local/state/andon/press-3"

    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/andon:/var/lib/other")
    assert state_folder(config.file, tmp_path) == Path("/var/lib/andon/press-3")

    named = config.file.model_copy(update={"state": "state"})
    assert state_folder(named, tmp_path) == tmp_path / "state"


def test_the_digest_changes_with_what_is_resolved_and_only_then(plant):
    first = plant().digest

    assert plant(line=[("version: 1", "# a comment\nversion: 1")]).digest == first
    assert plant(site=[("1GiB", "2GiB")]).digest != first


def test_resolved_options_are_written_as_in_the_file(plant):
    resolved = plant().resolved()

    assert resolved["sources"]["plc"]["period"] == "500ms"
    assert resolved["summaries"] == {"every": "1min"}
    assert resolved["buffer"] == {"max_bytes": "1GiB", "max_age": "90d"}
    assert resolved["sinks"]["cloud"]["token"] == "${env:T}"


def test_detectors_are_built_by_name(plant):
    detectors = build_detectors(plant())

    assert list(detectors) == ["guard"]
    assert detectors["guard"].spec.tags == ("oil",)


@pytest.mark.parametrize("error", [ModelError("damaged"), ConfigError("does not fit")])
def test_a_detector_that_cannot_be_built_is_a_problem_at_its_line(plant, monkeypatch, error):
    config = plant()

    class Broken:
        def __init__(self, *_):
            raise error

    monkeypatch.setattr(plugins, "load", lambda *_: Broken)

    with pytest.raises(ConfigProblems) as caught:
        build_detectors(config)

    (problem,) = caught.value.problems
    assert (problem.line, problem.path, problem.message) == (13, "detectors.guard", str(error))


def test_a_missing_secret_is_only_a_warning(plant, monkeypatch):
    monkeypatch.delenv("T", raising=False)
    (warning,) = plant().warnings
    assert (Path(warning.file).name, warning.line, warning.level) == ("site.yaml", 5, "warning")

    monkeypatch.setenv("T", "x")
    assert plant().warnings == ()


def test_history_without_its_extra_is_refused_with_what_to_install(plant, monkeypatch):
    monkeypatch.setattr("gateway.config.checks.find_spec", lambda _name: None)
    with pytest.raises(ConfigProblems, match="-m pip install 'pyarrow") as caught:
        plant(line=[("detectors:", "history: {}\ndetectors:")])
    assert [(p.line, p.path) for p in caught.value.problems] == [(12, "history")]
    assert plant().file.history is None


def test_a_clip_that_no_sink_takes_is_a_warning(plant, monkeypatch):
    monkeypatch.setenv("T", "x")
    asked = ("detectors:", "history: {clip: {}}\ndetectors:")
    assert plant(line=[asked]).warnings == ()
    panels = [
        ("{type: file}", "{type: mqtt, host: panel}"),
        (SITE[SITE.index("  cloud") : SITE.index("buffer")], ""),
    ]
    (warning,) = plant(line=[asked], site=panels).warnings
    assert (warning.line, warning.path, warning.level) == (12, "history.clip", "warning")
    assert "no sink of this line accepts clips" in warning.message


def test_a_mistake_elsewhere_does_not_reject_tags_that_an_entry_creates(tmp_path):
    path = tmp_path / "line.yaml"
    path.write_text(
        """\
version: 1
line: press-3
site: plant
sources:
  broker: {type: mqtt, host: h, qos: 7, tags: {flow: {topic: +/flow, levels: [north]}}}
detectors:
  guard: {type: limits, tags: {north.flow: {high: 65}, north.fold: {high: 1}}}
"""
    )
    with pytest.raises(ConfigProblems) as caught:
        load(path)
    assert [problem.path for problem in caught.value.problems] == [
        "sources.broker.qos",
        "detectors.guard.tags.north.fold",
    ]
