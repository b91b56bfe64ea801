"""No code path of a connector can publish: checked over its source code."""

import ast
import subprocess
import sys
from pathlib import Path

import connectors

FOLDER = Path(connectors.__file__).parent


def modules():
    """All but the simulator, which is a plant, and OPC UA, whose Publish requests data.

    OPC UA has its own test for this.
    """
    others = {"simulator", "opcua"}
    return [path for path in FOLDER.rglob("*.py") if not others & set(path.parts)]


def test_no_connector_publishes():
    publishing = {
        path.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("publish", "will_set", "Will")
    }
    assert publishing == set()
    assert FOLDER / "mqtt" / "client.py" in modules()


def test_only_one_module_imports_aiomqtt_and_only_when_a_connection_is_opened():
    importing = {
        path.name
        for path in (FOLDER / "mqtt").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and "mqtt" in ast.unparse(node).split(".")[0]
    }
    assert importing == {"client.py"}
    command = "import sys, connectors.mqtt; sys.exit(bool({'aiomqtt', 'paho'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
