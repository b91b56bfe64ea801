"""Why a broker refused or closed a connection, with what to do about it (pure).

Promises
- An error that only a person can correct (login, rights, version, client id) is a `ConfigError`,
  which is retried slowly; a temporary one is a `SourceLost`, with a wait where the broker needs it.
- No password is ever part of a message.
"""

import os
import re

from connectors.mqtt.options import MqttOptions
from gateway.api.contracts import AndonError, ConfigError, SourceLost
from gateway.api.options import format_duration

TAKEN_OVER = 142
WAIT_S = 10.0
"""Wait after "busy", and after another client connected with our client id."""
CLOSED_EARLY_S = 3.0
"""Wait after a broker closed the connection without a reason: it may be starting, or full."""

WEBSOCKET_PATH = "/mqtt"
_WEBSOCKET = "WebSocket handshake error"
# The system's errors of name look-ups have negative numbers.
_NAME_ERROR = re.compile(r"\[Errno -\d+\] (.*)")
_SYSTEM_ERROR = re.compile(r"\[Errno (\d+)\]")
# Reason codes of MQTT 5, section 2.4; paho translates the five of 3.1.1 into them.
_LOGIN, _RIGHTS, _BANNED, _METHOD = 134, 135, 138, 140
_VERSION, _CLIENT_ID = 132, 133
# paho's codes for a closed socket, and for a ping without a response.
_UNSPECIFIED, _UNSPECIFIED_NAME, _NO_RESPONSE = 128, "Unspecified error", 141
_BUSY = {136: "the broker is not available", 137: "the broker is busy"}
_BUSY |= {151: "the broker's quota is used up", 159: "the broker limits the connection rate"}


def connection_refused(code: int, reason: str, options: MqttOptions, client_id: str) -> AndonError:
    """The error for a CONNACK with reason `code`; `reason` is the library's name for it."""
    where = f"{options.host}:{options.resolved_port}"
    who = f"user {options.username}" if options.username else "anonymous: no `username` is set"
    if code == _LOGIN:
        return ConfigError(f"{where}: the broker refuses the login ({who}): wrong user or password")
    if code in (_RIGHTS, _BANNED, _METHOD):
        why = f"the broker refuses us: {reason.lower()} ({who}, client id {client_id})"
        return ConfigError(f"{where}: {why}")
    if code == _VERSION:
        other = "5" if options.protocol == "3.1.1" else '"3.1.1"'
        why = f"the broker does not support MQTT {options.protocol}: try `protocol: {other}`"
        return ConfigError(f"{where}: {why}")
    if code == _CLIENT_ID:
        return ConfigError(f"{where}: the broker does not accept the client id {client_id}")
    if code in _BUSY:
        return SourceLost(f"{where}: {_BUSY[code]}", wait=WAIT_S)
    return SourceLost(f"{where}: refused: {reason.lower()}")


def closed_early(where: str) -> SourceLost:
    """The error for a connection that the broker closed before responding."""
    why = "the broker closed the connection before responding"
    hint = "too many clients, or does it require `tls` or `transport: websockets`?"
    return SourceLost(f"{where}: {why}: {hint}", wait=CLOSED_EARLY_S)


def not_connected(reason: str, options: MqttOptions) -> SourceLost:
    """The error for a connection that was not made; `reason` is the library's or the system's."""
    where = f"{options.host}:{options.resolved_port}"
    if reason.startswith(_WEBSOCKET):
        path = options.path or WEBSOCKET_PATH
        why = f"there is no websocket for MQTT at {path}: check `port`, `path` and `tls`"
        return SourceLost(f"{where}: {why}")
    if name_error := _NAME_ERROR.match(reason):
        why = f"the name {options.host} cannot be resolved: {name_error[1].lower()}"
        return SourceLost(f"{where}: {why}")
    # Of a name with several addresses the system's errors are joined into one text.
    if system_error := _SYSTEM_ERROR.search(reason):
        return SourceLost(f"{where}: {os.strerror(int(system_error[1])).lower()}")
    return SourceLost(f"{where}: {reason}")


class TooLong(SourceLost):
    """A message that is longer than what is read; `topic` is empty if it is not known."""

    def __init__(self, why: str, topic: str) -> None:
        super().__init__(why, wait=CLOSED_EARLY_S)
        self.topic = topic


def not_read(why: str, too_long: str | None, options: MqttOptions) -> SourceLost:
    """The error of a connection that we ended, for what the broker sent.

    `too_long` is the topic of a message that was too long, empty if it is not known, else None.
    """
    where = f"{options.host}:{options.resolved_port}"
    if too_long is None:
        return SourceLost(f"{where}: {why}", wait=CLOSED_EARLY_S)
    return TooLong(f"{where}: {why}: `max_payload` raises the limit", too_long)


def connection_lost(code: int, reason: str, options: MqttOptions) -> SourceLost:
    """The error for an established connection that ended; `code` is 0 without a reason code."""
    where = f"{options.host}:{options.resolved_port}"
    if code == TAKEN_OVER:
        why = f"another client has connected with the client id {options.client_id}"
        return SourceLost(f"{where}: {why}: each client needs its own", wait=WAIT_S)
    if code == _NO_RESPONSE:
        silence = format_duration(2 * options.keepalive)
        return SourceLost(f"{where}: the broker has not responded for {silence}")
    if code not in (0, _UNSPECIFIED):
        return SourceLost(f"{where}: the broker closed the connection: {reason.lower()}")
    why = reason.replace(_UNSPECIFIED_NAME, "the connection was closed")
    # Most brokers just close a session that another client takes over.
    if options.client_id:
        why += f" (if this repeats: does another client use {options.client_id}?)"
    return SourceLost(f"{where}: {why}")
