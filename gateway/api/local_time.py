"""Times as people read them, in the machine's own time zone or a named one."""

from datetime import datetime, tzinfo

from gateway.api.model import SECOND, Nanos


def local_time(at: Nanos, form: str = "%Y-%m-%d %H:%M:%S", zone: tzinfo | None = None) -> str:
    """A time by strftime's form; in the machine's zone if `zone` is None."""
    return datetime.fromtimestamp(at / SECOND, zone).strftime(form)
