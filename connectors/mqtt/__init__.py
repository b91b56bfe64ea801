"""MQTT: values that sensors publish to a broker, read by subscription only.

The path of a value, one module each:
`options` and `tags` (what the line file may contain; `path_options` checks their paths) → `topics`
(what is subscribed to) → `client` (aiomqtt, its subscribing side only; `connection_errors` explains
its failures) → `receive_queue` (messages not yet read, bounded) → `reader` → `payloads` (bytes to
rows) → `connector` (what the gateway sees). `payloads` is helped by `paths` (their grammar),
`lookup` (values at a path), `texts`, `times`, `senml`, and `wording` (reasons in words). Everything
but `client` and `connector` is pure.

Promises
- Nothing is ever published: andon only connects and subscribes.
- A value that cannot be read is NaN with quality BAD and its reason, whatever the bytes are. A
  message that has another tag's value only gives no sample.
- A broker that is gone, or does not respond, ends the session at once.
"""

from connectors.mqtt.connector import MqttConnector
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.tags import MqttTag

__all__ = ["MqttConnector", "MqttOptions", "MqttTag"]
