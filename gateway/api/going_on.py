"""How a plugin says, while one call takes long, that it makes progress.

A sink that sends a batch in many requests, or a connector that connects in many, calls
`made_progress` after each reply. Without that the gateway says after some time that the part is
stuck; it ends no call.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_report: ContextVar[Callable[[], None] | None] = ContextVar("progress", default=None)


def made_progress() -> None:
    """The call that is under way goes on. Nothing happens where nobody wants to know."""
    report = _report.get()
    if report is not None:
        report()


@contextmanager
def reporting_to(report: Callable[[], None]) -> Iterator[None]:
    """Progress that is made in this context is reported there."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)
