"""OPC UA: monitored items with source time and status, and reads of what stays silent.

The way of a value, one module each:
`options` (what the file may say) and `nodes` (how a node is named there) → `identity`, `trust` and
`security` (who we are, whom we trust) → `connection` (a session, on asyncua's client as in `tidy`)
and `client` (what may be asked over it) → `monitoring` (what the server watches), `publishing`
(what it sends) and `rounds` (what is polled) → `columns` (all of it as columns) → `session`
(everything beside each other, on one connection) → `connector` (what the gateway knows).
`options`, `nodes`, `trust`, `items`, `rounds` and `columns` are pure.

Promises
- Nothing is ever written to a server and no method is called: no code here names such a service.
- A value that the server did not give, or does not vouch for, is NaN with quality BAD.
- Silence is asked: a tag without a change is read, so a value that stands still is told from a
  dead one.
- One bad node makes its own tag bad. A server that does not answer ends the connection.
- A session outlives its connection: what stood in the server's queues comes with the next one.
"""

from connectors.opcua.connector import OpcUaConnector
from connectors.opcua.options import OpcUaOptions, OpcUaTag

__all__ = ["OpcUaConnector", "OpcUaOptions", "OpcUaTag"]
