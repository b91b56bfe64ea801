"""Whatever a source calls its data, the written file passes `andon check` and names the same."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.discover.mqtt_file import line_file as mqtt_file
from connectors.discover.opcua import OpcUaSurvey, tag_names
from connectors.discover.opcua_file import line_file
from connectors.discover.opcua_variables import ProposedTag
from connectors.discover.survey import BrokerSurvey, TopicSummary
from connectors.discover.written import key, value
from connectors.mqtt.paths import Key, write_path
from gateway.config.load import load
from gateway.config.parse import parse

ODD = [
    *("null", "Null", "NULL", "~", "true", "True", "false", "yes", "Yes", "no", "on", "off", "y"),
    *("n", "1e3", "0x1f", "0o17", "12:30", "2026-01-31", "007", "1_000", ".inf", ".nan", "-", "<<"),
    *(
        "=",
        "a: b",
        "a #b",
        "#",
        "!tag",
        "&anchor",
        "*alias",
        "%x",
        "@x",
        "`x`",
        "{a}",
        "[a]",
        "a,b",
    ),
    *("?", "|", ">", "'", '"', "\\", "\t", "a\nb", " a ", "", "Öldruck", "温度", "😀", "-1", "+5"),
    *("\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800", "a" * 300, "...", "---"),
]
NAMES = st.one_of(st.sampled_from(ODD), st.text(max_size=80))
PATHS = (
    st.lists(NAMES, max_size=4)
    .map(tuple)
    .map(lambda path: tuple(Key(step) if step.isdecimal() else step for step in path))
)
OPCUA = {"type": "opcua", "url": "opc.tcp://plc", "insecure": True}
MQTT = {"type": "mqtt", "host": "broker"}
fast = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def opcua_file(settings, variables):
    """A line file with these names and nodes, and every text of a server in the other places."""
    tags = [
        ProposedTag(name, {"node": node, "unit": name, "enumeration": {name or "-": 1.0}}, name)
        for name, node in variables
    ]
    return line_file(settings, OpcUaSurvey(tags, [(tag.name, tag.name) for tag in tags]))


def readable(text):
    """Text as a file can hold it."""
    return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)


def checked(folder, text):
    """The source of a line file that passes the check."""
    file = folder.getbasetemp() / "written.yaml"
    file.write_text(text, encoding="utf-8")
    return next(iter(load(file).sources.values()))


@pytest.mark.parametrize("text", ODD)
def test_an_odd_key_and_value_are_read_back(text):
    document = parse(f"{key(text)}: {value(text)}\n", "x.yaml")

    assert document.data == {readable(text): readable(text)}


@fast
@given(text=NAMES)
def test_any_value_is_read_back(text):
    assert parse(f"x: {value({'a': text})}\n", "x.yaml").data == {"x": {"a": readable(text)}}


@pytest.mark.parametrize("text", ODD)
def test_a_key_is_text_for_readers_of_yaml_1_1_too(text):
    assert yaml.safe_load(f"{key(text)}: 1\n") == {readable(text): 1}


@fast
@given(names=st.lists(NAMES, min_size=1, max_size=8))
def test_the_variables_of_an_opc_ua_server(tmp_path_factory, names):
    variables = [(name, f"nsu=urn:plant;s=n{n}") for n, name in enumerate(names)]

    source = checked(tmp_path_factory, opcua_file(OPCUA, variables))

    assert [tag.node for tag in source.tags.values()] == [node for _, node in variables]
    assert list(source.tags) == tag_names(names)


def is_identifier(text):
    """An identifier that the OPC UA library can ask for: it strips white space at the ends."""
    return text and text == text.strip()


@fast
@given(names=st.lists(NAMES.filter(is_identifier), min_size=1, max_size=8, unique_by=readable))
def test_the_nodes_of_an_opc_ua_server(tmp_path_factory, names):
    variables = [("null", f"nsu=urn:plant;s={name}") for name in names]

    source = checked(tmp_path_factory, opcua_file(OPCUA, variables))

    written = [readable(node) for _, node in variables]
    assert [tag.node for tag in source.tags.values()] == written


def is_topic(text):
    """A topic that a broker passes on and that may be subscribed to by its name."""
    return text and not set(text) & set("+#\0") and readable(text) == text


TOPICS = st.lists(NAMES.filter(is_topic), min_size=1, max_size=4).map("/".join)


@fast
@given(topics=st.dictionaries(TOPICS, PATHS, min_size=1, max_size=6))
def test_the_topics_and_paths_of_a_broker(tmp_path_factory, topics):
    survey = BrokerSurvey(100)
    for topic, path in topics.items():
        survey.topics[topic] = TopicSummary("JSON", numbers={path: 5.0})

    source = checked(tmp_path_factory, mqtt_file(MQTT, survey, 100))

    tags = [(tag.topic, tag.path) for tag in source.tags.values()]
    assert tags == [(topic, readable(write_path(topics[topic]))) for topic in sorted(topics)]


@fast
@given(names=st.lists(NAMES.filter(bool), min_size=1, max_size=6, unique_by=readable))
def test_the_metrics_of_an_edge_node(tmp_path_factory, names):
    survey = BrokerSurvey(100)
    survey.nodes["plant/edge"] = TopicSummary("Sparkplug", numbers=dict.fromkeys(names, 5.0))

    source = checked(tmp_path_factory, mqtt_file(MQTT, survey, 100))

    assert [tag.metric for tag in source.tags.values()] == [readable(name) for name in names]


@fast
@given(user=NAMES.filter(bool))
def test_the_settings_of_a_connection(tmp_path_factory, user):
    login = {"username": user, "password": "${env:NOWHERE}"}
    survey = BrokerSurvey(100)
    survey.topics["a"] = TopicSummary("number", numbers={(): 1.0})

    for text in (
        opcua_file({**OPCUA, **login}, [("a", "i=1")]),
        mqtt_file({**MQTT, **login}, survey, 100),
    ):
        assert checked(tmp_path_factory, text).username == readable(user)
