"""Every field of the line file with every kind of wrong value: told in the file's own words."""

import json
import re

import pytest
import yaml
from schema_walk import changed, paths

from gateway.config.parse import parse
from gateway.config.problems import ConfigProblems
from gateway.config.schema import line_file, site_file
from gateway.config.site import validated

LINE = """
version: 1
line: press
site: berlin
sources:
  plc:
    type: modbus
    host: 10.0.0.1
    tags: {flow: {address: 0, enumeration: {stopped: 0}}}
  bus:
    type: modbus
    transport: rtu
    device: /dev/ttyUSB0
    tags: {speed: {address: 0}}
  server:
    type: opcua
    url: opc.tcp://10.0.0.2:4840
    security: {certificate: a.der, private_key: a.pem, server_certificate: b.der}
    username: me
    password: "${env:PW}"
    tags: {level: {node: "nsu=urn:plant;s=Level"}}
  broker:
    type: mqtt
    host: 10.0.0.3
    tls: {ca: ca.pem}
    tags:
      heat: {topic: a/b, path: value, time_path: t, time_format: iso, period: 1s}
      drive: {sparkplug: plant/edge, metric: Drive}
detectors:
  guard: {type: limits, tags: {flow: {low: 1, high: 5}}, when: ["flow > 1"], settle: 1s}
  model: {type: onnx, bundle: models/x, severity: high}
sinks:
  cloud: {type: influx, url: "https://influx.example.com", bucket: lines, token: "${env:T}"}
  lamp: {type: mqtt, host: broker, tls: true, ca: ca.pem}
  disk: {type: file}
history: {clip: {}}
"""
SITE = """
version: 1
site: berlin
sinks: {disk: {type: file}}
buffer: {}
"""
WRONG = [
    *(None, "text", "", "5 apples", "é" * 70, -1, 1.5, 10**30, True),
    *([], {}, [1], [None], [{"a": 1}], {"a": 1}, {"a": {"b": 1}}, {"type": "nothing"}),
]
FOREIGN = re.compile(
    "[Vv]alue error|Assertion|Input (should|tag)|[Ff]ield required|should match|permitted|"
    "[Ee]xtra inputs|valid (dictionary|integer|string|boolean|list|tuple|set)|discriminator|"
    "pydantic|[Uu]nable to|<class|NoneType|Traceback|(?<!Configuration)Error\\b|(?<!one of )json|"
    r"Options\b|Section\b|"
    r"Annotated|Union|Literal|\bdict\b|\bstr\b"
)
"""Pydantic's phrases, and names of Python."""


BASES = {"line": (yaml.safe_load(LINE), line_file()), "site": (yaml.safe_load(SITE), site_file())}
FIELDS = [
    (kind, at) for kind, (data, model) in BASES.items() for at in dict.fromkeys(paths(data, model))
]


def test_the_files_without_a_mistake_are_accepted():
    for data, model in BASES.values():
        assert validated(parse(json.dumps(data), "line.yaml"), model)[1] == ()
    assert len(FIELDS) > 200


def problems_of(text, model):
    """What is wrong with a file, as data or already as YAML."""
    try:
        return validated(parse(text, "line.yaml"), model)[1]
    except ConfigProblems as error:
        return error.problems


@pytest.mark.parametrize("section", dict.fromkeys((kind, at[:2]) for kind, at in FIELDS))
def test_no_wrong_value_is_told_in_the_words_of_a_library(section):
    data, model = BASES[section[0]]
    for kind, at in FIELDS:
        if (kind, at[:2]) != section:
            continue
        for value in WRONG:
            text = json.dumps(changed(data, at, value), indent=1, ensure_ascii=False)
            for problem in problems_of(text, model):
                where = f"{'.'.join(map(str, at))}: {value!r}"
                assert not FOREIGN.search(problem.message), f"{where} -> {problem.message}"
                assert not re.search("[Vv]alue error|Input should|Traceback", problem.hint)
                assert problem.file == "line.yaml"
                assert problem.path, f"{where} -> {problem}"
                assert problem.text.strip(), f"{where} -> {problem}"
                assert len(problem.message) > 3
