"""Servers of other authors (Node.js) read once: modbus-serial, node-opcua, sparkplug-client."""

import json

from click.testing import CliRunner
from foreign import node_client, node_server
from servers import mosquitto

from gateway.cli import main

HEAD = "version: 1\nsite: plant\nline: foreign\nsources:\n"
MODBUS = """\
  plc:
    type: modbus
    host: 127.0.0.1
    port: {port}
    unit_id: 3
    tags:
      speed: {{address: 7, data_type: uint16}}
"""
OPCUA = """\
  plc:
    type: opcua
    url: "opc.tcp://127.0.0.1:{port}/"
    insecure: true
    tags:
      speed: {{node: "nsu=urn:plant;s=ramp"}}
"""
SPARKPLUG = """\
  plc:
    type: mqtt
    host: 127.0.0.1
    port: {port}
    tags:
      speed: {{sparkplug: plant/edge/press, metric: Speed}}
"""


def read_once(tmp_path, source, port):
    line = tmp_path / "line.yaml"
    line.write_text(HEAD + source.format(port=port))
    result = CliRunner().invoke(main, ["once", str(line), "--json"])
    assert result.exit_code == 0, result.output
    (tag,) = json.loads(result.stdout)["tags"]
    return tag


def test_a_modbus_server_of_modbus_serial(tmp_path):
    with node_server(tmp_path, "modbus_server.js") as server:
        tag = read_once(tmp_path, MODBUS, server.port)
    assert (tag["value"], tag["quality"]) == (307.0, "good")


def test_an_opcua_server_of_node_opcua(tmp_path):
    with node_server(tmp_path, "opcua_server.js") as server:
        tag = read_once(tmp_path, OPCUA, server.port)
    assert tag["value"] >= 0
    assert tag["quality"] == "good"


def test_an_edge_node_of_sparkplug_client(tmp_path):
    with mosquitto(tmp_path) as broker, node_client(tmp_path, "sparkplug_node.js", broker.port):
        tag = read_once(tmp_path, SPARKPLUG, broker.port)
    assert tag["value"] >= 0
    assert tag["quality"] == "good"
