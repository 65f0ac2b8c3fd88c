"""The real things, taken before the app could replace them.

gevent, eventlet and others patch modules when the app is imported. What was imported from a module before is the real
thing still, so everything here that waits, locks or asks who is running comes from this file.
"""

import select
import time
from _thread import RLock, _local as local, allocate_lock, get_ident, start_new_thread
from os import write as write_fd
from signal import pthread_kill
from socket import socket, timeout

__all__ = ["Clock", "Flag", "HELD_UP", "MAIN", "RLock", "allocate_lock",
           "get_ident", "local", "make_blocking", "pthread_kill", "socket", "start_new_thread", "wait_readable", "write_fd"]

HELD_UP = BlockingIOError, timeout  # what a socket says that does not block; never that it has ended
MAIN = get_ident()  # this file is imported by the main thread
_select = select.select


def wait_readable(sock):
    """Lets what the app runs beside its requests go on, where waiting is cooperative; the real wait follows."""
    if select.select is not _select:
        select.select([sock], [], [])


def make_blocking(sock):
    """Takes away a time limit: one that the app gave all new sockets, or a mode that it set on the descriptor."""
    try:
        sock.settimeout(None)
    except OSError:
        pass  # it is closed, which the next use tells


class Clock:
    """Held in a class: freezegun replaces what it finds in modules, under whatever name."""

    now_ns = time.monotonic_ns


class Flag:
    """A flag that one thread sets and another waits for: threading.Event, without the parts that are patched."""

    def __init__(self):
        self.lock = allocate_lock()
        self.lock.acquire()

    def set(self):
        try:
            self.lock.release()
        except RuntimeError:
            pass  # it is set already

    def wait(self, seconds=-1):
        """Whether it was set in time; stays set."""
        is_set = self.lock.acquire(True, seconds)
        if is_set:
            self.set()
        return is_set

    def take(self):
        """Waits until it is set and clears it."""
        self.lock.acquire()
