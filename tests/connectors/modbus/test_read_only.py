"""No code path of a connector can write: checked over its source code."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

from source_words import words_of

import connectors
from connectors.modbus.plan import FUNCTIONS

FOLDER = Path(connectors.__file__).parent
IDENTIFIES = "read_device_information"  # function 43, MEI type 14
READS = {"read_coils", "read_discrete_inputs", "read_holding_registers", "read_input_registers"}


def client_methods():
    from pymodbus.client.mixin import ModbusClientMixin

    names = {name for name, _ in inspect.getmembers(ModbusClientMixin, inspect.isfunction)}
    return {name for name in names if not name.startswith(("_", "convert_"))}


def test_pymodbus_has_the_write_calls_that_this_test_looks_for():
    writes = {"write_coil", "write_register", "write_coils", "write_registers", "execute"}
    assert writes | {"mask_write_register", "readwrite_registers"} | READS <= client_methods()


def test_no_connector_names_a_write_call_of_pymodbus():
    writes = {name for name in client_methods() if "write" in name}
    modules = list(FOLDER.rglob("*.py"))
    assert FOLDER / "modbus" / "client.py" in modules
    assert {
        (path.name, word) for path in modules for word in words_of(path) if word in writes
    } == set()


def test_of_all_methods_of_a_pymodbus_client_only_reads_are_called():
    used = {word for path in (FOLDER / "modbus").glob("*.py") for word in words_of(path)}
    assert used & client_methods() == READS | {IDENTIFIES}


def test_two_modules_import_pymodbus_and_only_when_a_connection_is_opened():
    importing = {
        path.name
        for path in (FOLDER / "modbus").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import) and "pymodbus" in ast.unparse(node)
    }
    assert importing == {"client.py", "wire.py"}
    command = "import sys, connectors.modbus; sys.exit('pymodbus' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_no_other_package_but_the_simulator_uses_pymodbus():
    importing = {
        path.relative_to(FOLDER).parts[0]
        for path in FOLDER.rglob("*.py")
        if any("pymodbus" in word for word in words_of(path))
    }
    assert importing == {"modbus", "simulator"}


def test_the_plan_has_only_the_four_read_functions():
    assert FUNCTIONS == {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
