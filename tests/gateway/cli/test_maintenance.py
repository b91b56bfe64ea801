"""`andon maintenance`: what is asked of the daemon, and what it says."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli import maintenance
from gateway.control.maintenance_routes import LONGEST_S

T0 = 1_700_000_000 * 10**9
OFF = {"on": False, "since": 0, "until": None, "by": "", "why": "", "source": ""}
ON = {"on": True, "since": T0, "until": T0 + 7200 * 10**9, "by": "anna", "why": "oil change",
      "source": "command"}  # fmt: skip


@pytest.fixture
def andon(monkeypatch, tmp_path):
    """Runs `andon maintenance LINE.yaml`; exit code, output, what was asked."""
    path, asked = tmp_path / "press.yaml", []
    path.touch()

    def run(*words, facts=ON):
        def ask(_file, _path, body=None, **_):
            asked.append(body)
            return facts

        monkeypatch.setattr(maintenance, "ask", ask)
        done = CliRunner().invoke(maintenance.command, [str(path), *words])
        return done.exit_code, done.output, asked

    return run


def test_it_is_switched_on_for_a_time_with_who_and_why(andon):
    code, out, asked = andon("on", "--for", "2h", "--reason", "oil change", "--by", "anna")
    assert code == 0
    assert asked == [{"on": True, "by": "anna", "for_s": 7200.0, "why": "oil change"}]
    assert out.startswith("maintenance is on since 2023-11-1")
    assert out.endswith("by anna: oil change\n")


def test_it_is_switched_on_until_it_is_switched_off(andon):
    code, out, asked = andon("on", "--until-off", "--by", "anna", facts={**ON, "until": None})
    assert (code, asked) == (0, [{"on": True, "by": "anna"}])
    assert "until it is switched off" in out


def test_its_end_must_be_given(andon):
    for words in ((), ("--for", "2h", "--until-off")):
        code, out, asked = andon("on", *words)
        assert (code, asked) == (2, [])
        assert "give --for" in out


def test_it_is_not_switched_on_for_longer_than_the_daemon_takes(andon):
    code, out, asked = andon("on", "--for", "31d")
    assert (code, asked) == (2, [])
    assert "'31d': it must be more than 0 and at most 30d" in out
    assert LONGEST_S == 30 * 86_400
    assert andon("on", "--for", "30d", "--why", "leave")[2][-1]["for_s"] == LONGEST_S


def test_it_is_switched_off(andon):
    code, out, asked = andon("off", "--by", "ben", facts=OFF)
    assert (code, out) == (0, "maintenance is off\n")
    assert asked == [{"on": False, "by": "ben"}]


def test_it_is_shown(andon):
    by_tag = {**ON, "until": None, "by": "", "why": "mode is cleaning", "source": "tag"}
    _, out, asked = andon("show", facts=by_tag)
    assert out.endswith("until the tag has another value: mode is cleaning\n")
    assert asked == [None]
    assert json.loads(andon("show", "--json")[1]) == ON
