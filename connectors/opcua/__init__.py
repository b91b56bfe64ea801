"""OPC UA: monitored items with source time and status, and reads of silent tags.

The path of a value, one module each:
`options` (what the line file may contain) and `nodes` (node ids by namespace URI) → `identity`,
`trust` and `security` (certificates and users) → `connection` (a session, on the client of
`quiet_client`) and `client` (the services used over it) → `monitoring` (monitored items),
`publishing` (notifications) and `poll_schedule` (polled tags) → `columns` (values as columns) →
`session` (all of it concurrently, on one connection) → `connector` (what the gateway sees).
`options`, `nodes`, `trust`, `items`, `poll_schedule` and `columns` are pure.

Promises
- Nothing is ever written to a server and no method is called: no code here names such a service.
- A value that the server did not send, or marked bad, is NaN with quality BAD.
- A silent tag is read: this distinguishes a constant value from a dead one.
- One bad node makes only its own tag bad. A server that does not respond ends the connection.
- A session outlives its connection: the changes in the server's queues arrive over the next one.
"""

from connectors.opcua.connector import OpcUaConnector
from connectors.opcua.options import OpcUaOptions, OpcUaTag

__all__ = ["OpcUaConnector", "OpcUaOptions", "OpcUaTag"]
