"""The board: a page shared with the runner, which sees busy and idle there without a message."""

import mmap
import os
import struct
import time

STARTING, IDLE, BUSY, DRAINING = range(4)

_NOW = struct.Struct("<QII")         # at 0: busy since (ns, 0 = idle), stream, state; 16..20 is the runner's
_COUNTS = struct.Struct("<QQ24x64s")  # at 24: requests, rss; at 64: request id, padded with NUL
_PAGE = 4096
_PROC_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss():
    """Resident memory in bytes; 0 where it cannot be read."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PROC_PAGE
    except (OSError, ValueError, IndexError):
        return 0


class Board:
    """Writes the page; without a descriptor it writes to private memory."""

    def __init__(self, fd=None):
        self.requests = 0
        self.rss = 0
        self.page = None
        if fd is not None:
            try:
                self.page = mmap.mmap(fd, _PAGE)
            except (OSError, ValueError):
                pass
        if self.page is None:
            self.page = bytearray(_PAGE)
        _NOW.pack_into(self.page, 0, 0, 0, STARTING)

    def after_fork(self):
        """In a process that the app forked: the page is the parent's."""
        self.page = bytearray(_PAGE)

    def busy(self, stream, request_id):
        """A request begins; returns when, in nanoseconds of the monotonic clock."""
        self.requests += 1
        if self.requests & 0x3F == 0:
            self.rss = rss()
        _COUNTS.pack_into(self.page, 24, self.requests, self.rss, request_id)
        now = time.monotonic_ns()
        _NOW.pack_into(self.page, 0, now, stream, BUSY)
        return now

    def idle(self):
        """Nothing is running and nothing waits."""
        _NOW.pack_into(self.page, 0, 0, 0, IDLE)

    def draining(self):
        """The child leaves."""
        _NOW.pack_into(self.page, 0, 0, 0, DRAINING)
