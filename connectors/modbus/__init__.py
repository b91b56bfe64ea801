"""Modbus: coalesced, verified, read-only polling.

The path of a value, one module each:
`options` (what the line file may contain) → `plan` (which registers are read together) →
`schedule` (which request is next) → `bus` (access to the connection, one request at a time) →
`client` (pymodbus, its read functions only) → `responses` (validates the response) → `registers`
(bytes to columns) → `session` (all of it on one connection) → `connector` (what the gateway sees).
Only `bus`, `client`, `session` and `connector` are not pure.

Promises
- Nothing is ever written to a device: no code here can issue a function code other than 1 to 4, and
  43/14, which reads a device's identification.
- A value that the device did not send is NaN with quality BAD, never a zero and never an old value.
- A wide value comes from one response; a response that does not match its request is not used.
- One bad address makes only its own tag bad; a device that does not respond ends the session at
  once.
"""

from connectors.modbus.connector import ModbusConnector
from connectors.modbus.options import ModbusOptions, ModbusTag

__all__ = ["ModbusConnector", "ModbusOptions", "ModbusTag"]
