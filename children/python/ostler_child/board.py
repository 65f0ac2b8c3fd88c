"""The board: a page shared with the runner, which sees busy and idle there without a message."""

import mmap
import os
import struct

from .native import Clock

STARTING, IDLE, BUSY, DRAINING = range(4)

# Each value is written in one piece, as a word of the machine: struct fills its place with zeros first, and a process that loses
# its processor in between would show a stream that it is not at.
SINCE = 0      # 8 bytes: when the request began, in ns; 0 = idle
STREAM = 2     # 4 bytes: the last stream of the lane that was begun
STATE = 3      # 4 bytes; the next 4 are the runner's
REQUESTS = 3   # 8 bytes
RSS = 4        # 8 bytes
LANE = 10      # 4 bytes: the number of the lane that is served
BAR = 6        # 8 bytes, the runner's: lane << 32 | the last stream that is not to be begun any more
_ID = struct.Struct("<64s")  # at 64: request id, padded with NUL
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
        self.lane = 0
        self.page = None
        if fd is not None:
            try:
                self.page = mmap.mmap(fd, _PAGE)
            except (OSError, ValueError):
                pass
        if self.page is None:
            self.page = bytearray(_PAGE)
        self.show(self.page)
        self.words[STATE] = STARTING

    def show(self, page):
        self.page = page
        self.words = memoryview(page).cast("I")
        self.longs = memoryview(page).cast("Q")

    def after_fork(self):
        """In a process that the app forked: the page is the parent's."""
        self.show(bytearray(_PAGE))

    def serve(self, lane):
        """Begins with a lane, of which no stream was begun."""
        self.words[STREAM] = 0
        self.idle()
        self.lane = lane << 32
        self.words[LANE] = lane

    def busy(self, stream, request_id):
        """A request is about to begin; returns when, in nanoseconds of the monotonic clock.

        0: it may not begin. The runner writes what is taken back, waits, and reads what has begun; here what begins is written
        first and what is taken back is read then. Whoever is first, both cannot go on.
        """
        words, longs = self.words, self.longs
        self.requests += 1
        if self.requests & 0x3F == 0:
            self.measure()
        _ID.pack_into(self.page, 64, request_id)
        longs[REQUESTS] = self.requests
        now = Clock.now_ns()
        words[STREAM] = stream
        words[STATE] = BUSY
        longs[SINCE] = now
        return 0 if stream <= longs[BAR] - self.lane else now

    def measure(self):
        """Resident memory in bytes, shown as well."""
        self.longs[RSS] = size = rss()
        return size

    def idle(self):
        """Nothing is running and nothing waits. The last stream stays: it tells what was begun."""
        self.words[STATE] = IDLE
        self.longs[SINCE] = 0

    def draining(self):
        """The child leaves."""
        self.words[STATE] = DRAINING
        self.longs[SINCE] = 0
