"""What a request costs its child: the gateway sends requests ahead only to handlers that cost little."""

import resource

from .native import Clock

SHORT_NS = 500_000  # a run as short as this needs no closer look
WATCHED = 256       # requests after one that looked slow whose processor time is looked at, too

_THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


def usage():
    """(microseconds of processor time, times it waited for something) of this thread."""
    spent = resource.getrusage(_THREAD)
    return int((spent.ru_utime + spent.ru_stime) * 1e6), spent.ru_nvcsw


class Meter:
    """Measures one run after the other.

    A run that never waited took as long as the processor worked on it, whatever the clock on the wall says: the rest of
    the time the processor was somebody else's. Looking at that costs a microsecond, so it is done only while there
    are runs that seem slow.
    """

    __slots__ = ("began", "base", "watched")

    def __init__(self):
        self.began = 0  # when the run began, in nanoseconds of the monotonic clock
        self.base = None
        self.watched = 0

    def watch(self):
        """A run begins whose processor time is looked at. `began` is set for every run."""
        self.watched -= 1
        self.base = usage() if self.watched else None

    def cost_us(self):
        """Microseconds that the run cost: processor time if it never waited, else time on the wall."""
        took = (Clock.now_ns() - self.began) // 1000
        if took * 1000 >= SHORT_NS:
            self.watched = WATCHED
            if self.base is not None:
                (spent, waits), (spent_before, waits_before) = usage(), self.base
                if waits == waits_before:
                    took = min(took, spent - spent_before)
        return min(max(took, 1), 0xFFFFFFFF)
