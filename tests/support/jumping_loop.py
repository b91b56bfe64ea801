"""An event loop whose clock jumps to the next timer when nothing is left to do.

A wait of any length takes no time, and a slow machine does not make a time-out expire early. Only
for tests in which nothing comes from outside: no socket, no thread, no process.
"""

import asyncio


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__()
        self._now = 0.0

    def time(self):
        return self._now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0].when())
        super()._run_once()
