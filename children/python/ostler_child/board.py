"""The board: a page shared with the runner, which sees busy and idle there without a message."""

import mmap
import os
import struct
import time

STARTING, IDLE, BUSY, DRAINING = range(4)

_NOW = struct.Struct("<QII")         # at 0: busy since (ns, 0 = idle), stream, state; 16..20 is the runner's
_COUNTS = struct.Struct("<QQ")       # at 24: requests, rss
_LANE = struct.Struct("<I")          # at 40: the number of the lane that is served
_BAR = struct.Struct("<Q")           # at 48, the runner's: lane << 32 | the last stream that is not to be begun any more
_ID = struct.Struct("<64s")          # at 64: request id, padded with NUL
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
        self.stream = 0     # the last that was begun
        self.lane = 0
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

    def serve(self, lane):
        """Begins with a lane, of which no stream was begun."""
        self.stream = 0
        self.idle()
        self.lane = lane << 32
        _LANE.pack_into(self.page, 40, lane)

    def busy(self, stream, request_id):
        """A request is about to begin; returns when, in nanoseconds of the monotonic clock.

        0: it may not begin. The runner writes what is taken back, waits, and reads what has begun; here what begins is written
        first and what is taken back is read then. Whoever is first, both cannot go on.
        """
        page = self.page
        self.requests += 1
        if self.requests & 0x3F == 0:
            self.rss = rss()
        _ID.pack_into(page, 64, request_id)
        _COUNTS.pack_into(page, 24, self.requests, self.rss)
        now = time.monotonic_ns()
        _NOW.pack_into(page, 0, now, stream, BUSY)
        self.stream = stream
        return 0 if stream <= _BAR.unpack_from(page, 48)[0] - self.lane else now

    def idle(self):
        """Nothing is running and nothing waits. The last stream stays: it tells what was begun."""
        _NOW.pack_into(self.page, 0, 0, self.stream, IDLE)

    def draining(self):
        """The child leaves."""
        _NOW.pack_into(self.page, 0, 0, self.stream, DRAINING)
