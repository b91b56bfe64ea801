"""OPC UA: monitored items with source time and status, and reads of what stays silent.

The way of a value, one module each:
`options` (what the file may say), `nodes` (how a node is named there) and `certificates` (the
files that it names) → `client` (asyncua, and only what reads) → `columns` (notifications to
columns) → `session` (subscription, heartbeat and liveness on one connection) → `connector` (what
the gateway knows). `options`, `nodes` and `columns` are pure.

Promises
- Nothing is ever written to a server and no method is called: no code here names such a service.
- A value that the server did not give, or does not vouch for, is NaN with quality BAD.
- Silence is asked: a tag without a change is read, so a value that stands still is told from a
  dead one.
- One bad node makes its own tag bad. A server that does not answer ends the session.
"""

from connectors.opcua.connector import OpcUaConnector
from connectors.opcua.options import OpcUaOptions, OpcUaTag

__all__ = ["OpcUaConnector", "OpcUaOptions", "OpcUaTag"]
