"""OPC UA: monitored items with source time and status, and reads of silent tags.

The path of a value, one module each:
`options` and `tag_options` (what the line file may contain), `nodes` (node ids by namespace URI)
and `paths` (browse paths) → `identity`, `trust` and `security` (certificates and users) →
`connection` (a session, on the client of `quiet_client`) and `client` (the services used over it) →
`places` (the nodes of tags), `structure_types`, `monitoring` (monitored items), `publishing`
(notifications) and `poll_schedule` (polled tags) → `structures`, `selection` and `columns` (the
numbers in values, as columns) → `session` (all of it concurrently, on one connection) →
`connector` (what the gateway sees). `diagnosis` and `hello` explain why there is no session.
`options`, `nodes`, `paths`, `trust`, `items`, `selection`, `poll_schedule` and `columns` are pure.

Promises
- Nothing is ever written to a server and no method is called: no code here names such a service.
- A value that the server did not send, or marked bad, is NaN with quality BAD. Every sample that is
  not good has its reason.
- A silent tag is read: this distinguishes a constant value from a dead one.
- One bad node makes only its own tag bad. A server that does not respond ends the connection.
- A session outlives its connection: the changes in the server's queues arrive over the next one.
"""

from connectors.opcua.connector import OpcUaConnector
from connectors.opcua.options import OpcUaOptions
from connectors.opcua.tag_options import OpcUaTag

__all__ = ["OpcUaConnector", "OpcUaOptions", "OpcUaTag"]
