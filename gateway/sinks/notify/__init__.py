"""The sink `notify`: alarms to people, by mail, chat and text message."""

from gateway.sinks.notify.sink import NotifySink

__all__ = ["NotifySink"]
