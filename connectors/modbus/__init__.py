"""Modbus TCP: coalesced, verified, read-only polling.

The way of a value, one module each:
`options` (what the file may say) → `plan` (which registers are read together) → `schedule` (which
request is next) → `bus` (whose turn it is) → `client` (pymodbus, and only its reads) → `answers`
(is this the answer to that request) → `registers` (bytes to columns) → `session` (all of it on one
connection) → `connector` (what the gateway knows). Only `bus`, `client`, `session` and `connector`
are not pure.

Promises
- Nothing is ever written to a device: no code here can issue a function code other than 1 to 4, and
  43/14, by which a device says what it is.
- A value that the device did not give is NaN with quality BAD, never a zero and never an old value.
- A wide value comes from one answer; an answer that is not exactly the one asked for is not used.
- One bad address makes its own tag bad; a device that does not answer ends the session at once.
"""

from connectors.modbus.connector import ModbusConnector
from connectors.modbus.options import ModbusOptions, ModbusTag

__all__ = ["ModbusConnector", "ModbusOptions", "ModbusTag"]
