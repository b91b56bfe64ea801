"""MQTT: values that sensors publish to a broker, read by subscription only.

The path of a value, one module each:
`options` and `tags` (what the line file may contain) → `topics` (what is subscribed to) → `client`
(aiomqtt, its subscribing side only; `connection_errors` explains its failures) → `receive_queue`
(messages not yet read, bounded) → `payloads` (bytes to columns) → `connector` (what the gateway
sees). Everything but `client` and `connector` is pure.

Promises
- Nothing is ever published: andon only connects and subscribes.
- A payload without the value is NaN with quality BAD, whatever its bytes are.
- A broker that is gone, or does not respond, ends the session at once.
"""

from connectors.mqtt.connector import MqttConnector
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.tags import MqttTag

__all__ = ["MqttConnector", "MqttOptions", "MqttTag"]
