"""asyncua takes long to import: the loop and its other sources must not wait for it."""

import subprocess
import sys

from patience import PATIENCE

SCRIPT = """
import asyncio, sys, threading
from pathlib import Path
from connectors.opcua.connector import OpcUaConnector
from gateway.api.contracts import Places

threads = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("asyncua"):
            threads.append(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watch())
tags = {"flow": {"node": "nsu=urn:plant;s=flow"}}
options = OpcUaConnector.Options.model_validate(
    {"type": "opcua", "url": "opc.tcp://127.0.0.1:1", "insecure": True, "tags": tags}
)
assert not asyncio.run(OpcUaConnector("plc", options, (), Places(Path(), Path())).probe()).ok
print(len(threads) > 0, any(threads))
"""


def test_it_is_imported_in_a_thread():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.split() == ["True", "False"]
