"""The control channel to the runner: the lifeline, read by a thread that nothing in the app can block."""

import array
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque

from .lane import Lane
from .logs import ERROR, log_frame
from .native import HELD_UP, MAIN, Flag, RLock, get_ident, local, make_blocking, pthread_kill, start_new_thread
from .native import socket as real_socket
from .wire import DRAIN, DUMP, FD, FRAME_MAX, LANE, PING, PONG, STOP, Decoder, ProtocolError, fields, frame

READ = 64 << 10
FDS_MAX = 8          # descriptors taken in one read
DUMP_MAX = 256 << 10
LAST_WORDS = 2.0     # seconds from the end of the grace to the end of the process


held = local()       # the signal mask of a thread that forks


class Stop(SystemExit):
    """Raised in the main thread by SIGTERM, so that the app's finally blocks run."""

    is_stop = True


class Control:
    """Sends frames from any thread; its own thread takes the runner's."""

    def __init__(self, sock, lanes, grace):
        self.sock = sock
        make_blocking(sock)
        self.lanes = lanes
        self.grace = grace            # seconds to finish when the runner is gone
        self.frame_max = FRAME_MAX
        self.decoder = Decoder()
        self.pending = deque()        # frames read, not handled
        self.fds = deque()            # descriptors received, not claimed by a frame
        self.lock = RLock()
        self.writer = None            # the thread that is writing a frame
        self.is_stopping = False
        self.is_stop_due = False      # SIGTERM came while the main thread was writing
        self.is_gone = False
        self.is_fork = False          # this process was forked by the app
        self.is_booting = True
        self.exit_code = 143          # what SIGTERM makes of it; 0 when STOP asked
        self.left = Flag()            # the main thread is done

    def send(self, data):
        """Writes whole frames; False when nobody takes them."""
        with self.lock:
            if self.writer is not None or self.is_gone:
                return False  # also for a line that a signal handler prints inside of this very write
            self.writer = get_ident()
            try:
                self.write_all(memoryview(data))
                is_sent = True
            except OSError:
                self.is_gone = True
                is_sent = False
            self.writer = None
        if self.is_stop_due:
            self.stop()
        return is_sent

    def write_all(self, view):
        while view:
            try:
                view = view[self.sock.send(view):]
            except HELD_UP:
                make_blocking(self.sock)

    def stop(self, *_):
        """SIGTERM: leaves the main thread through its finally blocks, but never half of a frame behind."""
        if get_ident() != MAIN:
            return
        self.is_stopping = True
        self.lanes.end_soon()  # for an app that catches everything
        self.is_stop_due = self.writer == MAIN
        if not self.is_stop_due:
            raise Stop(self.exit_code)

    def receive(self):
        """The next frame of the runner, None at the end of the channel."""
        while not self.pending:
            try:
                # socket.recv_fds is of 3.9.
                data, messages, _, _ = self.sock.recvmsg(READ, socket.CMSG_SPACE(FDS_MAX * 4), socket.MSG_CMSG_CLOEXEC)
            except HELD_UP:
                make_blocking(self.sock)
                continue
            except OSError:
                return None
            self.take_fds(messages)
            if not data:
                return None
            self.pending.extend(self.decoder.feed(data))
        return self.pending.popleft()

    def take_fds(self, messages):
        for level, kind, payload in messages:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
                self.fds.extend(fds)

    def start(self):
        """Begins the thread.

        Not one of the threading module's: gevent leaves the lock of a running import as it was when that module has
        started a thread before it is patched.
        """
        start_new_thread(self.run, ())

    def run(self):
        try:
            while True:
                item = self.receive()
                if item is None:
                    break
                self.handle(item)
        except ProtocolError as error:
            self.say("control channel: %s" % error)
        except Exception:  # a fault of ours must not leave a child that cannot be stopped
            self.say("control channel: %s" % traceback.format_exc())
        self.end_alone()

    def handle(self, item):
        kind, flags, code, _, aux, head, _ = item
        fd = self.fds.popleft() if flags & FD and self.fds else None
        if kind == LANE and fd is not None:
            number = fields(head).get(":number", "")
            self.lanes.offer(Lane(real_socket(fileno=fd), self.frame_max, int(number) if number.isdigit() else 0))
            return
        if fd is not None:
            os.close(fd)
        if kind == PING:
            self.send(frame(PONG, aux=aux))
        elif kind == STOP:
            if code == DRAIN and not self.is_booting:
                self.lanes.end()
            else:
                self.exit_code = 0
                self.interrupt()
        elif kind == DUMP:
            self.dump()
        elif kind == LANE:
            self.say("the runner sent LANE without a descriptor")

    def dump(self):
        """Sends every thread's stack, also while the app is stuck in Python code."""
        text = all_stacks().encode("utf-8", "backslashreplace")
        self.send(log_frame(ERROR, "dump", text[:DUMP_MAX]))

    def say(self, text):
        """A line of our own in the log."""
        for line in text.rstrip("\n").split("\n"):
            self.send(log_frame(ERROR, "errors", ("ostler: " + line).encode("utf-8", "backslashreplace")))

    def interrupt(self):
        """Raises Stop in the main thread."""
        pthread_kill(MAIN, signal.SIGTERM)

    def end_alone(self):
        """The runner is gone: finishes what runs, within bounds."""
        self.is_gone = True
        if not self.is_booting:
            self.lanes.end()
            if self.left.wait(self.grace):
                return
        self.interrupt()
        if not self.left.wait(LAST_WORDS):
            os._exit(143)

    def before_fork(self):
        """Holds signals back: Python forgets those that reach a fork before its handlers are changed."""
        held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))

    def after_fork_here(self):
        signal.pthread_sigmask(signal.SIG_SETMASK, held.mask)

    def after_fork(self):
        """In a process that the app forked: the channel is the parent's, and signals mean what they mean elsewhere."""
        self.is_gone = True
        self.is_fork = True
        self.lock = RLock()
        self.writer = None
        self.sock.close()
        for number, ours, plain in ((signal.SIGTERM, self.stop, signal.SIG_DFL),
                                    (signal.SIGINT, ignore, signal.default_int_handler)):
            if signal.getsignal(number) == ours:
                signal.signal(number, plain)
        self.after_fork_here()


def ignore(*_):
    """SIGINT: Ctrl-C in a terminal reaches us, but is meant for the gateway. Programs that the app starts do not inherit
    a handler, as they would SIG_IGN."""


def all_stacks():
    """The Python stacks of all threads as text."""
    names = {t.ident: t.name for t in threading.enumerate()}
    own = get_ident()
    parts = ["stacks at %s" % time.strftime("%Y-%m-%d %H:%M:%S")]
    for ident, top in sys._current_frames().items():
        if ident != own:
            parts.append("thread %s (%d):" % (names.get(ident, "?"), ident))
            parts.append("".join(traceback.format_stack(top)).rstrip())
    return "\n".join(parts)


class Lanes:
    """Hands lanes from the control thread to the main thread: one is served, at most one waits."""

    def __init__(self):
        self.lock = RLock()
        self.changed = Flag()
        self.current = None
        self.next = None
        self.is_ending = False

    def offer(self, lane):
        """A lane to serve, after what is queued in the current one."""
        with self.lock:
            if self.next is not None:
                self.next.sock.close()
            self.next = lane
            if self.current is not None:
                self.current.retire()
        self.changed.set()

    def end(self):
        """No lane after the ones that are here, and nothing new on them."""
        with self.lock:
            self.is_ending = True
            if self.current is not None:
                self.current.retire()
        self.changed.set()

    def end_soon(self):
        """The same from a signal handler of the main thread, which may be inside of take() and its lock."""
        self.is_ending = True
        if self.current is not None:
            self.current.is_retired = True

    def take(self):
        """Waits for the next lane; None when the child is to end."""
        while True:
            with self.lock:
                self.current, self.next = self.next, None
                if self.current is not None and self.is_ending:
                    self.current.retire()
                if self.current is not None or self.is_ending:
                    return self.current
            self.changed.take()

    def after_fork(self):
        """In a process that the app forked: a lane must end when the child does."""
        self.lock = RLock()
        for lane in (self.current, self.next):
            if lane is not None:
                lane.leave_to_parent()
