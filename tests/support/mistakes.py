"""Runs a contract suite over a plugin with a mistake, in a pytest of its own."""

import fake_plugins  # noqa: F401 - an inner run imports it, and would do so again each time

CONFTEST = """
from jumping_loop import JumpingLoop

def pytest_asyncio_loop_factories(config, item):
    return {"jumping": JumpingLoop}
"""
MODULE = """
import pytest
import {module}
from fake_plugins import {harness}
from gateway.api.testing import {contract}


class TestWrong({contract}):
    @pytest.fixture
    def harness(self):
        return {harness}()

    @pytest.fixture
    def plugin(self, harness):
        return {module}.{mistake}(harness.plugin())
"""


CONTRACTS = {
    "wrong_connectors": "ConnectorContract",
    "wrong_detectors": "DetectorContract",
    "wrong_sinks": "SinkContract",
}


def run_suite(pytester, harness, mistake):
    """The reports of the tests that failed, by name; `mistake` is a module and its function."""
    module, function = mistake.split(".")
    contract = CONTRACTS[module]
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    file = pytester.makepyfile(
        MODULE.format(contract=contract, harness=harness, module=module, mistake=function)
    )
    # Neither Hypothesis's report nor the import of a fake is of use here, and both are slow.
    options = ("-p", "no:hypothesispytest", "--tb=short", "-k", "not importing")
    passed, skipped, failed = pytester.inline_run(file, *options).listoutcomes()
    assert passed
    assert not skipped
    return {report.nodeid.split("::")[-1]: report.longreprtext for report in failed}


def check(reports, tests, words):
    """Exactly these tests failed, and a report holds these words."""
    assert sorted(reports) == sorted(tests)
    assert any(words in text for text in reports.values()), "\n".join(reports.values())
