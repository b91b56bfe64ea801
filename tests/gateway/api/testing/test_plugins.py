"""A plugin is found by its entry point, with one simple form of options, and imports in no time."""

from importlib.metadata import EntryPoint, EntryPoints
from types import SimpleNamespace
from typing import Literal

import pytest

from gateway.api.contracts import Places
from gateway.api.options import Strict
from gateway.api.testing import plugins
from gateway.api.testing.plugins import PluginContract, files_in, registered
from gateway.sinks.file import FileSink

pytest_plugins = ["pytester"]

HARNESS = SimpleNamespace(options={"type": "mine"})


def test_a_registered_plugin_is_its_class():
    assert registered("andon.sinks", "file") is FileSink


def test_a_plugin_that_is_not_installed_is_named_with_what_to_do():
    with pytest.raises(pytest.fail.Exception, match=r"'mine' in the group andon.sinks: add it"):
        registered("andon.sinks", "mine")


def test_two_packages_of_one_name_are_refused(monkeypatch):
    entry = EntryPoint("mine", "gateway.sinks.file:FileSink", "andon.sinks")
    monkeypatch.setattr(plugins, "entry_points", lambda **_: EntryPoints([entry, entry]))
    with pytest.raises(AssertionError, match="several packages register 'mine'"):
        registered("andon.sinks", "mine")


def test_a_suite_without_a_harness_names_the_fixture(pytester):
    module = pytester.makepyfile(
        "from gateway.api.testing import SinkContract\nclass TestMine(SinkContract): pass"
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    options = ("-p", "no:hypothesispytest", "-k", "options")
    _, _, [report] = pytester.inline_run(module, *options).listoutcomes()
    assert "override the fixture `harness` in TestMine" in report.longreprtext


def check_options(options):
    plugin = SimpleNamespace(Options=options)
    contract = PluginContract()
    contract.test_its_options_name_its_type_and_refuse_an_unknown_key(plugin, HARNESS)


def test_options_with_a_literal_type_that_refuse_an_unknown_key_pass():
    class Right(Strict):
        type: Literal["mine"]

    check_options(Right)


def test_options_of_another_type_fail():
    class Text(Strict):
        type: str

    class Other(Strict):
        type: Literal["other"]

    for options in (Text, Other, dict):
        with pytest.raises(AssertionError):
            check_options(options)


def test_options_that_take_an_unknown_key_fail():
    class Loose(Strict, extra="ignore"):
        type: Literal["mine"]

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_options(Loose)


def check_import(module, libraries):
    contract = PluginContract()
    contract.libraries = libraries
    contract.test_importing_it_loads_no_slow_library(SimpleNamespace(__module__=module))


def test_an_import_that_loads_a_slow_library_fails():
    check_import("json", ["pymodbus"])
    with pytest.raises(AssertionError, match="import these inside the functions"):
        check_import("json", ["json.decoder"])


def test_an_import_that_fails_is_shown():
    with pytest.raises(AssertionError, match="No module named 'no_such_module'"):
        check_import("no_such_module", [])


def test_files_are_those_of_both_folders(tmp_path):
    places = Places(tmp_path / "config", tmp_path / "state")
    (tmp_path / "config").mkdir()
    (tmp_path / "state" / "opcua").mkdir(parents=True)
    (tmp_path / "config" / "line.yaml").touch()
    assert files_in(places) == {tmp_path / "config/line.yaml", tmp_path / "state/opcua"}


@pytest.mark.parametrize(
    ("contract", "body", "message"),
    [
        ("Sink", "pass", "Mine lacks options: write it as in a line file"),
        ("Sink", "options = {}", "Mine lacks options"),
        ("Sink", "options = {'path': 'x'}", "the options of Mine lack 'type'"),
        ("Connector", "pass", "Mine lacks options"),
        ("Connector", "options = {'type': 'mine'}", "the options of Mine lack 'tags'"),
        ("Detector", "options = {'type': 'mine'}", "Mine lacks tags: give it `options`"),
        ("Detector", "pass", "Mine lacks options and tags"),
    ],
)
def test_a_harness_that_lacks_something_is_told_what(pytester, contract, body, message):
    module = pytester.makepyfile(
        "import pytest\n"
        f"from gateway.api.testing import {contract}Contract, {contract}Harness\n"
        f"class Mine({contract}Harness): {body}\n"
        f"class TestMine({contract}Contract):\n"
        "    @pytest.fixture\n"
        "    def harness(self): return Mine()\n"
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    options = ("-p", "no:hypothesispytest", "-k", "its_options_name_its_type")
    _, _, [report] = pytester.inline_run(module, *options).listoutcomes()

    assert message in report.longreprtext
    assert "AttributeError" not in report.longreprtext
