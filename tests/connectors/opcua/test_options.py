"""The options of a server in a line file, and how wrong ones are refused."""

import pytest
from pydantic import ValidationError

from connectors.opcua import OpcUaConnector, OpcUaOptions, OpcUaTag
from connectors.opcua.options import LEAST_QUEUE, SecurityOptions
from gateway.api.model import SECOND

FILES = {"certificate": "us.der", "private_key": "us.pem", "server_certificate": "plc.der"}
MS = SECOND // 1000


def options(tag=None, **settings):
    known = {"type": "opcua", "url": "opc.tcp://plc:4840", "insecure": True}
    tags = {"speed": {"node": "nsu=urn:plant;s=Speed", **(tag or {})}}
    return OpcUaOptions.model_validate({**known, "tags": tags, **settings})


def test_by_default_a_server_publishes_twice_a_second_with_the_sources_time():
    defaults = options()
    assert (defaults.publishing_interval, defaults.timeout) == (500 * MS, 5 * SECOND)
    assert defaults.timestamp == "source"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"insecure": False}, "insecure: true"),
        ({"security": FILES}, "exclude each other"),
        ({"username": "andon"}, "go together"),
        ({"password": "${env:PLC}"}, "go together"),
        ({"username": "", "password": "${env:PLC}"}, "`username` is empty"),
        ({"username": "andon", "password": "secret"}, "must not be written here in clear text"),
        ({"url": "http://plc:4840"}, r"opc\.tcp://192"),
        ({"url": "opc.tcp://"}, r"opc\.tcp://192"),
        ({"url": "plc"}, r"opc\.tcp://192"),
        ({"url": "opc.tcp://plc:0"}, r"opc\.tcp://192"),
        ({"url": "opc.tcp://plc:99999"}, "out of range"),
        ({"url": "opc.tcp://andon@plc"}, "holds a user or a password"),
        ({"url": "opc.tcp://andon:secret@plc"}, "password in clear text"),
        ({"tags": {}}, "at least 1"),
        ({"timestamp": "sever"}, "'source', 'server', 'receive' or 'corrected'"),
        ({"publishing_interval": "0s"}, "publishing_interval"),
        ({"auto_reconnect": True}, "Extra inputs"),
        ({"mode": "push"}, "'subscribe' or 'poll'"),
        ({"batch": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused_with_what_would_be_right(settings, why):
    with pytest.raises(ValidationError, match=why):
        options(**settings)


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ({"node": "ns=2;s=Speed"}, "name it by its URI"),
        ({"low": 10.0, "high": 5.0}, "is below low"),
        ({"deadband": 0}, "greater than 0"),
        ({"deadband": float("inf")}, "finite"),
        ({"queue_size": 0}, "greater than or equal to 1"),
        ({"sampling_interval": 100}, "sampling_interval"),
        ({"sampling": "1s"}, "Extra inputs"),
        ({"mode": "poll", "deadband": 1.0}, "speed is polled, and `deadband` is for"),
        ({"mode": "poll", "queue_size": 9}, "`queue_size` is for subscriptions"),
        ({"mode": "poll", "sampling_interval": "1s"}, "or give the tag `mode: subscribe`"),
    ],
)
def test_a_tag_that_cannot_be_read_is_refused(tag, why):
    with pytest.raises(ValidationError, match=why):
        options(tag)


def test_a_protected_connection_is_encrypted_by_default():
    security = options(insecure=False, security=FILES).security
    assert (security.policy, security.mode) == ("Basic256Sha256", "SignAndEncrypt")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"certificate": "us.der", "server_certificate": "plc.der"}, "go together"),
        ({"private_key": "us.pem", "trusted": "trusted"}, "go together"),
        ({}, "add `server_certificate:`"),
        ({"certificate": "us.der", "private_key": "us.pem"}, "or `trusted:` with a folder"),
        ({"server_certificate": "plc.der", "trusted": "trusted"}, "remove one"),
    ],
)
def test_there_is_exactly_one_trust_setting(files, why):
    with pytest.raises(ValidationError, match=why):
        options(insecure=False, security=files)


def test_our_certificate_may_be_left_out():
    assert options(insecure=False, security={"trusted": "certs"}).security.certificate is None


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"user_certificate": "me.der"}, "go together"),
        ({"user_key": "me.pem"}, "go together"),
        (
            {
                "user_certificate": "me.der",
                "user_key": "me.pem",
                "username": "a",
                "password": "${env:P}",
            },
            "remove one",
        ),
        (
            {
                "user_certificate": "me.der",
                "user_key": "me.pem",
                "security": None,
                "insecure": True,
            },
            "needs `security:`",
        ),
    ],
)
def test_there_is_one_user_and_a_user_certificate_needs_a_protected_connection(user, why):
    with pytest.raises(ValidationError, match=why):
        options(**{"insecure": False, "security": FILES, **user})


@pytest.mark.parametrize("policy", ["Basic128Rsa15", "Basic256", "None", ""])
def test_a_deprecated_policy_cannot_be_chosen(policy):
    with pytest.raises(ValidationError, match="Basic256Sha256"):
        options(insecure=False, security={**FILES, "policy": policy})


def test_a_mode_without_signatures_cannot_be_chosen():
    with pytest.raises(ValidationError, match="SignAndEncrypt"):
        options(insecure=False, security={**FILES, "mode": "None"})


def test_the_protocol_library_has_every_policy_of_the_choice():
    from asyncua.crypto import security_policies

    choice = SecurityOptions.model_json_schema()["properties"]["policy"]["enum"]
    names = {f"SecurityPolicy{policy.replace('_', '')}" for policy in choice}
    assert len(names) == 3
    assert names <= set(dir(security_policies))


def test_a_login_is_possible_with_and_without_certificates():
    login = {"username": "andon", "password": "${env:PLC}"}
    assert "PLC" in repr(options(**login).password)
    assert options(insecure=False, security=FILES, **login).username == "andon"


def test_a_tag_is_polled_if_it_or_its_source_says_so():
    assert not options().is_polled(options().tags["speed"])
    polled = options(mode="poll")
    assert polled.is_polled(polled.tags["speed"])
    other = options({"mode": "subscribe", "deadband": 1.0}, mode="poll")
    assert not other.is_polled(other.tags["speed"])


def test_the_period_sets_sampling_queue_and_silence_of_a_tag():
    source = options({"period": "2s"})
    tag = source.tags["speed"]
    assert (source.period_of(tag), source.sampling_of(tag)) == (2 * SECOND, 2 * SECOND)
    assert source.queue_of(tag) == LEAST_QUEUE
    assert source.max_silence_of(tag) == 3 * SECOND


def test_a_tag_without_a_period_has_the_publishing_interval():
    source = options(publishing_interval="250ms")
    tag = source.tags["speed"]
    assert source.period_of(tag) == source.sampling_of(tag) == 250 * MS
    assert OpcUaConnector.declared_tags("plc", source)[0].period == 250 * MS


def test_a_queue_holds_the_changes_of_two_publishing_intervals():
    default = options({"sampling_interval": "10ms"}, publishing_interval="1s")
    assert default.queue_of(default.tags["speed"]) == 200
    given = options({"sampling_interval": "10ms", "queue_size": 5}, publishing_interval="1s")
    assert given.queue_of(given.tags["speed"]) == 5


def test_a_tag_faster_than_the_publishing_interval_is_not_read_between_two_responses():
    source = options({"period": "10ms"}, publishing_interval="1s")
    assert source.max_silence_of(source.tags["speed"]) == 1.5 * SECOND


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ({}, "add `node:`"),
        ({"node": "i=1", "path": "Objects/A"}, "exclude each other"),
        ({"path": "A/B"}, "does not begin with Objects/"),
        ({"node": "i=1", "index": -1}, "greater than or equal to 0"),
        ({"node": "i=1", "index": True}, "is true or false"),
        ({"node": "i=1", "index": []}, "at least 1 item"),
        ({"node": "i=1", "index": [0] * 9}, "at most 8 items"),
        ({"node": "i=1", "index": "x"}, "valid integer"),
        ({"node": "i=1", "index": 1.5}, "valid integer"),
        ({"node": "i=1", "member": "a..b"}, "write it as in Speed"),
        ({"node": "i=1", "member": "a", "deadband": 1.0}, "no server applies a `deadband`"),
        ({"node": "i=1", "good_enough": ["BadNoData"]}, "is a bad quality"),
        ({"node": "i=1", "good_enough": ["Good"]}, "is not an uncertain quality"),
        ({"node": "i=1", "good_enough": []}, "at least 1 item"),
    ],
)
def test_a_mistake_in_a_tags_place_is_explained(tag, why):
    with pytest.raises(ValidationError) as mistake:
        OpcUaTag.model_validate(tag)
    assert why in str(mistake.value)


@pytest.mark.parametrize(
    ("index", "steps"), [(3, (3,)), ([0, 2], (0, 2)), ("4", (4,)), ("0, 2", (0, 2)), (None, ())]
)
def test_an_index_is_a_number_or_several(index, steps):
    assert OpcUaTag(node="i=1", index=index).selection.steps == steps


def test_the_qualities_that_are_good_enough_are_the_tags_or_the_sources():
    tags = {
        "a": {"node": "i=1"},
        "b": {"node": "i=1", "good_enough": "UncertainSubNormal, Uncertain"},
        "c": {"node": "i=1", "good_enough": "any"},
    }
    said = {"type": "opcua", "url": "opc.tcp://plc", "insecure": True, "tags": tags}
    strict = OpcUaOptions.model_validate(said)
    mild = OpcUaOptions.model_validate({**said, "good_enough": ["UncertainLastUsableValue"]})
    assert strict.good_enough_for(strict.tags["a"]) == frozenset()
    assert mild.good_enough_for(mild.tags["a"]) == {"UncertainLastUsableValue"}
    assert mild.good_enough_for(mild.tags["b"]) == {"UncertainSubNormal", "Uncertain"}
    assert mild.good_enough_for(mild.tags["c"]) >= {"UncertainSimulatedValue", "Uncertain"}
