"""What went wrong between us and a broker, in a sentence (pure)."""

import os
import re

from gateway.api.contracts import SinkUnavailable
from gateway.api.mqtt_link import CLOSED_EARLY

DEFAULT_PATH = "/mqtt"
# MQTT 3.1.1: bad user name or password, not authorised; MQTT 5: the same as reason codes.
_REFUSED = (4, 5, 134, 135)
# paho's own numbers for a request: no connection, connection lost, closed without a reason.
_LOST = (4, 7, 128)
# The system's errors of name look-ups have negative numbers.
_NAME_ERROR = re.compile(r"\[Errno -\d+\] (.*)")
# Of a name with several addresses the system's errors are joined into one text.
_SYSTEM_ERROR = re.compile(r"\[Errno (\d+)\]")


def unavailable(
    error: Exception, host: str, port: int, path: str | None, sent: int = 0
) -> SinkUnavailable:
    """The error of a connection or a request; only a refused login needs a human.

    `path` is the websocket's, if there is one; `sent` counts bytes that left the machine.
    """
    from aiomqtt.exceptions import MqttCodeError, MqttConnectError

    code = getattr(error, "rc", None)
    value = getattr(code, "value", code)
    # The same numbers mean other things where it was not the broker who refused to connect.
    refused = isinstance(error, MqttConnectError) and value in _REFUSED
    why = str(error)
    if name_error := _NAME_ERROR.match(why):
        why = f"the name {host} cannot be resolved: {name_error[1].lower()}"
    elif system_error := _SYSTEM_ERROR.search(why):
        why = os.strerror(int(system_error[1])).lower()
    elif why == CLOSED_EARLY:
        why = "the broker closed the connection before responding"
    elif why.startswith("WebSocket handshake error"):
        where = path or DEFAULT_PATH
        why = f"there is no websocket for MQTT at {where}: check `port`, `path` and `tls`"
    elif refused:
        why = f"the broker refuses the login: {str(code).lower()}"
    elif isinstance(error, MqttCodeError) and value in _LOST:
        why = "the connection to the broker was lost"
    elif why == "Operation timed out":
        why = "the broker does not respond"
    return SinkUnavailable(f"{host}:{port}: {why}", needs_human=refused, sent_bytes=sent)
