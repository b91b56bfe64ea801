"""Why a broker does not let us in, or threw us out, in words that say what to do (pure).

Promises
- What only a human can mend (login, rights, version, client id) is a `ConfigError`, which is tried
  again slowly; what passes by itself is a `SourceLost`, with a rest where the broker is in need of
  one.
- No password is ever part of a message.
"""

from connectors.mqtt.options import MqttOptions
from gateway.api.contracts import AndonError, ConfigError, SourceLost
from gateway.api.options import format_duration

TAKEN_OVER = 142
REST_S = 10.0
"""What a broker that says it is busy is given, and whoever else uses our client id."""
TURNED_AWAY_S = 3.0
"""What a broker is given that hangs up without a word: it may be starting, or full for now."""

# Reason codes of MQTT 5, section 2.4; paho translates the five of 3.1.1 into them.
_LOGIN, _RIGHTS, _BANNED, _METHOD = 134, 135, 138, 140
_VERSION, _CLIENT_ID = 132, 133
# What the library makes of a closed socket, and of a ping without an answer.
_UNSPECIFIED, _UNSPECIFIED_NAME, _NO_ANSWER = 128, "Unspecified error", 141
_BUSY = {136: "the broker is not available", 137: "the broker is busy"}
_BUSY |= {151: "the broker's quota is used up", 159: "connections come too fast for the broker"}


def refusal(code: int, said: str, options: MqttOptions, client_id: str) -> AndonError:
    """What a CONNACK with reason `code` means; `said` is the library's name for it."""
    where = f"{options.host}:{options.resolved_port}"
    who = f"user {options.username}" if options.username else "anonymous, no `username` is given"
    if code == _LOGIN:
        return ConfigError(f"{where}: the broker refuses the login ({who}): wrong user or password")
    if code in (_RIGHTS, _BANNED, _METHOD):
        why = f"the broker refuses us: {said.lower()} ({who}, client id {client_id})"
        return ConfigError(f"{where}: {why}")
    if code == _VERSION:
        other = "5" if options.protocol == "3.1.1" else '"3.1.1"'
        why = f"the broker does not speak MQTT {options.protocol}: try `protocol: {other}`"
        return ConfigError(f"{where}: {why}")
    if code == _CLIENT_ID:
        return ConfigError(f"{where}: the broker does not accept the client id {client_id}")
    if code in _BUSY:
        return SourceLost(f"{where}: {_BUSY[code]}", wait=REST_S)
    return SourceLost(f"{where}: refused: {said.lower()}")


def turned_away(where: str) -> SourceLost:
    """The connection was closed before the broker had answered."""
    why = "the broker closed the connection before it answered"
    return SourceLost(f"{where}: {why}: too many clients, or it wants `tls`?", wait=TURNED_AWAY_S)


def ended(code: int, said: str, options: MqttOptions) -> SourceLost:
    """Why a connection that stood is gone; `code` is 0 where nobody gave a reason."""
    where = f"{options.host}:{options.resolved_port}"
    if code == TAKEN_OVER:
        why = f"somebody else has connected with the client id {options.client_id}"
        return SourceLost(f"{where}: {why}: each reader needs its own", wait=REST_S)
    if code == _NO_ANSWER:
        silence = format_duration(2 * options.keepalive)
        return SourceLost(f"{where}: the broker has not answered for {silence}")
    if code not in (0, _UNSPECIFIED):
        return SourceLost(f"{where}: the broker closed the connection: {said.lower()}")
    why = said.replace(_UNSPECIFIED_NAME, "the connection was closed")
    # Most brokers just hang up on a session that somebody else takes over.
    if options.client_id:
        why += f" (if it is again and again: does somebody else use {options.client_id}?)"
    return SourceLost(f"{where}: {why}")
