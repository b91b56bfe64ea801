"""The errors of the two families, and the protocols that a plugin may add to its own."""

from types import SimpleNamespace

import pytest

from gateway.api import contracts
from gateway.api.contracts import (
    AndonError,
    ConfigError,
    Fatal,
    HasDiagnostics,
    HasReadPlan,
    HasReference,
    HasWarnings,
    Local,
    MayBeSilent,
    ModelError,
    SinkRejected,
    SinkUnavailable,
    SourceLost,
)

AWAY = (SourceLost, SinkUnavailable)
WRONG = (ConfigError, ModelError, SinkRejected, Fatal)


@pytest.mark.parametrize("error", [*AWAY, *WRONG])
def test_whatever_is_raised_on_purpose_is_one_tree(error):
    assert issubclass(error, AndonError)


def test_no_error_is_of_two_families():
    for error in (*AWAY, *WRONG):
        assert [other for other in (*AWAY, *WRONG) if issubclass(error, other)] == [error]


def test_a_source_that_is_lost_is_left_alone_no_longer_than_it_asked():
    assert SourceLost("gone").wait == 0.0
    lost = SourceLost("busy", wait=7.0)
    assert (str(lost), lost.wait) == ("busy", 7.0)


def test_a_sink_that_is_away_says_for_how_long_and_whether_a_human_must_help():
    plain = SinkUnavailable("no route")
    assert (str(plain), plain.wait, plain.needs_human, plain.sent_bytes) == (
        "no route",
        0,
        False,
        0,
    )
    asked = SinkUnavailable("401", 3.0, needs_human=True, sent_bytes=5)
    assert (asked.wait, asked.needs_human, asked.sent_bytes) == (3.0, True, 5)


def test_a_rejection_names_its_points_by_their_places():
    rejected = SinkRejected([2, 0], "422", sent_bytes=9)
    assert (str(rejected), rejected.which, rejected.sent_bytes) == ("422", (2, 0), 9)
    assert SinkRejected([], "422").sent_bytes == 0


@pytest.mark.parametrize(
    ("protocol", "members"),
    [
        (HasReadPlan, ["plan"]),
        (HasDiagnostics, ["diagnostics"]),
        (MayBeSilent, ["listens"]),
        (HasReference, ["spec", "reference"]),
        (HasWarnings, ["warnings"]),
        (Local, ["is_local"]),
    ],
)
def test_what_a_plugin_adds_is_noticed_by_its_members_alone(protocol, members):
    assert isinstance(SimpleNamespace(**dict.fromkeys(members, print)), protocol)
    for missing in members:
        rest = dict.fromkeys(set(members) - {missing}, print)
        assert not isinstance(SimpleNamespace(**rest), protocol)


@pytest.mark.parametrize("name", ["Connector", "Detector", "Sink"])
def test_every_verb_of_a_contract_is_documented(name):
    contract = getattr(contracts, name)
    verbs = [verb for key, verb in vars(contract).items() if callable(verb) and key[0] != "_"]
    assert verbs
    assert all((getattr(verb, "__func__", verb)).__doc__ for verb in verbs)
