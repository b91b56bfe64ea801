"""Cancellation that a library has swallowed."""

import asyncio


def heed_cancellation() -> None:
    """Raises CancelledError if the current task was cancelled and went on nevertheless.

    `asyncio.wait_for` of Python 3.11 swallows a cancellation that meets a result or an error. A
    loop that tries again for ever calls this after each attempt.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
