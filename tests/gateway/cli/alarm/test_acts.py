"""What is asked of the daemon for each act, and what becomes of those that it refuses."""

import pytest
from click.testing import CliRunner

from gateway.cli import alarms
from gateway.cli.alarm import acts
from gateway.control.alarm_routes import LONGEST_SHELF_S
from gateway.control.client import ControlError

PUMP = {"id": "pump.anomaly-18bc3", "detector": "pump", "alarm": "anomaly"}
OIL = {"id": "guard.oil.low-18bc4", "detector": "guard", "alarm": "oil.low"}


@pytest.fixture
def andon(monkeypatch, tmp_path):
    """Runs `andon alarms LINE.yaml`: exit code, output, what was asked; `refuse` by id."""
    path = tmp_path / "press.yaml"
    path.touch()

    def run(*words, refuse=()):
        asked = []

        def ask(_file, path, body=None):
            if path == "/alarms":
                return [PUMP, OIL]
            asked.append(body)
            if body["id"] in refuse:
                raise ControlError(409, f"{body['id']}: already acknowledged by ben")
            if "-18bc" not in body["id"]:
                raise ControlError(409, f"no alarm has the id {body['id']}")
            return {"message": f"{body['id']} {body['act']}"}

        monkeypatch.setattr(acts, "ask", ask)
        done = CliRunner().invoke(alarms.command, [str(path), *words, "--by", "anna"])
        return done, asked

    return run


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["ack"], {"act": "acknowledge"}),
        (["shelve", "--for", "2h", "--why", "x"], {"act": "shelve", "for_s": 7200.0, "why": "x"}),
        (["shelve", "--once"], {"act": "shelve"}),
        (["unshelve", "--reason", "x"], {"act": "unshelve", "why": "x"}),
        (["out-of-service", "--why", "x"], {"act": "take_out_of_service", "why": "x"}),
        (["in-service"], {"act": "return_to_service"}),
        (["reset"], {"act": "reset"}),
        (["comment", "--verdict", "unclear"], {"act": "comment", "verdict": "unclear"}),
        (["comment", "--comment", "x"], {"act": "comment", "why": "x"}),
    ],
)
def test_each_command_is_one_act_of_the_daemon(andon, words, body):
    done, asked = andon(*words, "pump")
    assert (done.exit_code, asked) == (0, [{"id": PUMP["id"], "by": "anna", **body}])
    assert done.output == f"{PUMP['id']} {body['act']}\n"


@pytest.mark.parametrize("length", ["8d", "0s"])
def test_a_shelf_is_not_longer_than_the_daemon_takes(andon, length):
    done, asked = andon("shelve", "pump", "--for", length)
    assert (done.exit_code, asked) == (2, [])
    assert f"'{length}': it must be more than 0 and at most 7d" in done.output
    assert andon("shelve", "pump", "--for", "7d")[1][-1]["for_s"] == LONGEST_SHELF_S


def test_a_verdict_is_given_before_the_acknowledgement_that_may_end_the_alarm(andon):
    _, asked = andon("ack", "pump", "--verdict", "real", "--comment", "worn seal")
    assert [each["act"] for each in asked] == ["comment", "acknowledge"]
    assert (asked[0]["verdict"], asked[0]["why"]) == ("real", "worn seal")


def test_several_are_done_once_each_and_one_that_is_refused_keeps_no_other(andon):
    done, asked = andon("ack", "pump", "guard", "pump", "oil", refuse=[PUMP["id"]])
    assert [each["id"] for each in asked] == [PUMP["id"], OIL["id"], "oil"]
    assert done.exit_code == 1
    assert f"{OIL['id']} acknowledge\n" in done.output
    assert "Error: no alarm has the id" not in done.output.splitlines()[1]
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_what_no_alarm_is_called_gets_a_hint(andon):
    done, _ = andon("ack", "pump.anomaly-18b")
    assert 'no alarm has the id pump.anomaly-18b; did you mean "pump.anomaly-18bc3"' in done.output


def test_the_beginning_of_several_is_asked_of_no_daemon(andon, monkeypatch):
    monkeypatch.setitem(OIL, "detector", "pump")
    done, asked = andon("ack", "pump")
    assert (done.exit_code, asked) == (1, [])
    assert "write more of it" in done.output
