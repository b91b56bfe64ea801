"""Whether the machine keeps its clock synchronised. Reads only."""

import ctypes
import time
from pathlib import Path

from gateway.core.clock import ClockWatch

TIMESYNCD = Path("/run/systemd/timesync/synchronized")


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex, and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


_LIBC = ctypes.CDLL(None)
_STA_UNSYNC = 0x40


def is_synchronised(timesyncd: Path = TIMESYNCD) -> bool:
    """Whether something keeps the clock right: the kernel says so, or systemd-timesyncd does.

    The kernel knows of ntpd, of timesyncd and of chronyd with rtcsync. The service's sandbox
    forbids to ask it (ProtectClock): then timesyncd's file is what is left.
    """
    # Reads only: modes is 0.
    timex = _Timex()
    in_kernel = _LIBC.adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC
    return in_kernel or timesyncd.exists()


def system_clock_watch() -> ClockWatch:
    """A watch over this machine's clock."""
    return ClockWatch(time.monotonic_ns, is_synchronised)
