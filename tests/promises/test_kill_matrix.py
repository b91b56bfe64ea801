"""A few cells of docs/reconnect.md, side by side: does it come back, and is it true?

How fast is for `make kill-matrix` to say.
"""

import asyncio

import pytest
from kill_matrix.cell import measure
from kill_matrix.faults import FAULTS

CELLS = [
    ("modbus", "server killed (SIGKILL), started again"),
    ("modbus", "responses of another function"),
    ("rtu", "responses after the time-out"),
    ("opcua", "server frozen (SIGSTOP) for 8 s"),
    ("opcua", "server restarted, namespaces renumbered"),
    ("mqtt", "server restarted"),
    ("mqtt", "half-open connection"),
]


# After a failed connection the MQTT library leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_what_breaks_is_noticed_and_read_again_and_nothing_is_invented_or_left_behind():
    faults = {fault.name: fault for family in FAULTS.values() for fault in family}
    cells = await asyncio.gather(*(measure(kind, faults[name]) for kind, name in CELLS))
    assert [cell.facts() for cell in cells if not cell.is_harmless] == []
    assert all(cell.figures.notice is not None for cell in cells), "each of these does harm"
