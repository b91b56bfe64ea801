"""OPC UA: a subscription to changes, and a read where a tag is silent.

The way of a value: `options` (what the file may say) → `client` (a secured, activated session of
asyncua) → `nodes` (namespace URIs to the server's indices of today) → `session` (the subscription
and the heartbeat) → `columns` (notifications to arrays) → `connector` (what the gateway knows).

Promises
- Nothing is ever written to a server and no method is called: only Read, Browse of namespaces,
  CreateSubscription and CreateMonitoredItems are used.
- A value that is bad, or no number, is NaN with quality BAD. A Good value that overflowed a queue
  counts as lost samples.
- Silence is not taken for sameness: a tag that was silent for its period is read, and what the
  server answers, with its status and time, is the sample.
- One bad node does not stop its neighbours; it is tried again with growing pauses.
- A server that does not answer, or a subscription that is silent, ends the session (SourceLost);
  the gateway opens the next one. Leaving closes the session on the server, within 2 s.
"""

from connectors.opcua.connector import OpcUaConnector
from connectors.opcua.options import OpcUaOptions, OpcUaTag

__all__ = ["OpcUaConnector", "OpcUaOptions", "OpcUaTag"]
