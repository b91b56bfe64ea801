"""MQTT: values that sensors publish to a broker, read by subscription alone.

The way of a value, one module each:
`options` and `tags` (what the file may say) → `topics` (what is asked for) → `client` (aiomqtt, and
only its subscribing side; `refusals` says why it failed) → `mailbox` (what came and is not read
yet, bounded) → `payloads` (bytes to columns) → `connector` (what the gateway knows). Everything
but `client` and `connector` is pure.

Promises
- Nothing is ever published: the broker learns that somebody listens, and no more.
- A payload that does not hold the value is NaN with quality BAD, whatever its bytes are.
- A broker that is gone, or does not answer, ends the session at once.
"""

from connectors.mqtt.connector import MqttConnector
from connectors.mqtt.options import MqttOptions
from connectors.mqtt.tags import MqttTag

__all__ = ["MqttConnector", "MqttOptions", "MqttTag"]
