"""The steps of a child's life, in the order in which `__main__.py` lists them."""

import faulthandler
import gc
import os
import platform
import signal
import sys
import traceback

from . import logs, title
from .board import Board
from .control import Control, Lanes, Stop, ignore
from .lane import Lane
from .loading import BootFailure, load_app
from .native import socket
from .serving import Server
from .wire import APP_ASKED, BYE, CRITICAL, DRAINED, FAIL, FRAME_CAP, FRAME_MAX, HELLO, READY, STOPPED, VERSION, WELCOME, fields, \
    frame, pairs

EXIT_BOOT = 70
TRACE_MAX = 256 << 10


class Place:
    """What the runner put into the environment. Descriptors are taken out of it: they are not the app's."""

    def __init__(self, env):
        self.entry = env.get("OSTLER_ENTRY", "")
        self.control = take_fd(env.pop("OSTLER_CTL_FD", ""))
        self.lanes = [take_fd(fd) for fd in env.pop("OSTLER_LANE_FDS", "").split(",") if fd]
        board = env.pop("OSTLER_BOARD_FD", "")
        self.board = Board(take_fd(board) if board else None)
        self.grace = int(env.get("OSTLER_GRACE_MS") or 10000) / 1000
        if env.pop("OSTLER_PROTO", "1") != str(VERSION):
            raise ValueError("OSTLER_PROTO: this child speaks version %d only" % VERSION)

    def after_fork(self):
        """In a process that the app forked while it was loaded: a lane must end when the child does."""
        while self.lanes:
            os.close(self.lanes.pop())


def take_fd(text):
    fd = int(text)
    os.set_inheritable(fd, False)  # programs that the app starts must not keep our sockets open
    return fd


def take_place():
    try:
        place = Place(os.environ)
        title.show("ostler: %s %s" % (os.environ.get("OSTLER_APP", "?"), os.environ.get("OSTLER_CHILD", "?")))
        return place
    except (ValueError, OSError) as error:
        sys.exit("ostler: this program is started by an Ostler runner; its environment does not fit: %s" % error)


def open_control(place):
    """Greets the runner and begins to listen to it."""
    control = Control(socket(fileno=place.control), Lanes(), place.grace)
    implementation = "%s %s" % (platform.python_implementation(), platform.python_version())
    control.send(frame(HELLO, VERSION, flags=CRITICAL, head=pairs(
        (":lang", "python"), (":impl", implementation), (":caps", "log,dump,board,cost,recall"), (":kinds", "http"), (":env", "cgi"),
        (":lanes", 1), (":streams", 1))))
    while True:
        item = control.receive()
        if item is None or item[0] == FAIL:
            why = fields(item[5]).get(":message") if item else "it hung up"
            sys.exit("ostler: the runner refused this child: %s" % why)
        if item[0] == WELCOME:
            break
    agreed = fields(item[5])
    limit = agreed.get("max_frame") or agreed.get(":max_frame") or str(FRAME_MAX)
    control.frame_max = min(int(limit), FRAME_CAP) if limit.isdigit() else FRAME_MAX
    return control


def take_streams(place, control):
    """Makes stdout, stderr and wsgi.errors log streams."""
    control.writers = writers = [
        logs.LineWriter(control, 1, "stdout", logs.INFO),
        logs.LineWriter(control, 2, "stderr", logs.ERROR),
        logs.LineWriter(control, 2, "errors", logs.ERROR),
    ]
    control.streams = sys.stdout, sys.stderr, control.errors = [logs.text_stream(writer) for writer in writers]
    for part in [place, place.board, control, control.lanes] + writers:
        os.register_at_fork(after_in_child=part.after_fork)
    os.register_at_fork(before=control.before_fork, after_in_parent=control.after_fork_here)


def take_signals(control):
    signal.signal(signal.SIGINT, ignore)
    signal.siginterrupt(signal.SIGINT, False)
    signal.signal(signal.SIGTERM, control.stop)
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)  # also when C code holds the interpreter
    control.start()


def load(place, control):
    """Imports the app from the current folder."""
    sys.path.insert(0, os.getcwd())
    try:
        app = load_app(place.entry)
        if control.is_fork:
            sys.exit(0)  # the app's module forked, and this half came back: there is one child only
        return app
    except BootFailure as failure:
        if control.is_fork:
            control.errors.write(failure.trace)
        control.send(frame(FAIL, head=pairs(
            (":stage", failure.stage), (":class", failure.kind), (":message", failure.message), (":hint", failure.hint)),
            body=failure.trace.encode("utf-8", "backslashreplace")[-TRACE_MAX:]))
        flush(control)
        control.left.set()
        sys.exit(EXIT_BOOT)


def ready(place, control):
    gc.collect()
    gc.freeze()  # what the app loaded stays; collections need not look at it again
    control.is_booting = False
    while place.lanes:
        control.lanes.offer(Lane(socket(fileno=place.lanes.pop(0)), control.frame_max, 1))
    place.board.idle()
    control.send(frame(READY, head=pairs((":rss", place.board.measure()), (":title", place.entry.partition(":")[2]))))


def serve(app, place, control):
    """Serves lane after lane, until told to stop."""
    server = Server(app, place.board, control)
    try:
        while True:
            lane = control.lanes.take()
            if lane is None:
                return
            try:
                server.serve_lane(lane)
            finally:
                lane.close()
    except Stop:
        say_bye(control, STOPPED)
        raise
    except BaseException:  # of a signal handler of the app: what it interrupted is half done, so nothing more can be served
        if control.is_fork:
            raise
        control.errors.write(traceback.format_exc())
        say_bye(control, APP_ASKED)
        sys.exit(1)
    finally:
        control.left.set()


def leave(place, control):
    place.board.draining()
    say_bye(control, STOPPED if control.is_stopping else DRAINED)
    return control.exit_code if control.is_stopping else 0


def say_bye(control, code):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what is left to do is Python's own end
    flush(control)
    control.send(frame(BYE, code))


def flush(control):
    """Sends what is still in the streams. One that cannot flush would spoil Python's own end: ours takes its place."""
    for name, stream in zip(("stdout", "stderr"), control.streams):
        try:
            getattr(sys, name).flush()
        except Exception:  # the app closed it, or put something of its own there
            setattr(sys, name, stream)
    for stream, writer in zip(control.streams, control.writers):
        try:
            stream.flush()
        except ValueError:
            pass  # the app closed it
        writer.finish()
