"""The steps of a child's life, in the order in which `__main__.py` lists them."""

import faulthandler
import gc
import os
import platform
import signal
import socket
import sys

from . import logs
from .board import Board, rss
from .control import Control, Lanes, Stop
from .lane import Lane
from .loading import BootFailure, load_app
from .serving import Server
from .wire import BYE, CRITICAL, DRAINED, FAIL, FRAME_CAP, FRAME_MAX, HELLO, READY, STOPPED, VERSION, WELCOME, fields, frame, pairs

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


def take_fd(text):
    fd = int(text)
    os.set_inheritable(fd, False)  # programs that the app starts must not keep our sockets open
    return fd


def take_place():
    try:
        return Place(os.environ)
    except (ValueError, OSError) as error:
        sys.exit("ostler: this program is started by an Ostler runner; its environment does not fit: %s" % error)


def open_control(place):
    """Greets the runner and begins to listen to it."""
    control = Control(socket.socket(fileno=place.control), Lanes(), place.grace)
    implementation = "%s %s" % (platform.python_implementation(), platform.python_version())
    control.send(frame(HELLO, VERSION, flags=CRITICAL, head=pairs(
        (":lang", "python"), (":impl", implementation), (":caps", "log,dump,board"), (":kinds", "http"), (":env", "cgi"),
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


def take_streams(control):
    """Makes stdout, stderr and wsgi.errors log streams."""
    control.writers = writers = [
        logs.LineWriter(control, 1, "stdout", logs.INFO),
        logs.LineWriter(control, 2, "stderr", logs.ERROR),
        logs.LineWriter(control, 2, "errors", logs.ERROR),
    ]
    sys.stdout, sys.stderr, control.errors = map(logs.text_stream, writers)
    for part in [control, control.lanes] + writers:
        os.register_at_fork(after_in_child=part.after_fork)


def take_signals(control):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us, but is meant for the gateway
    signal.signal(signal.SIGTERM, control.stop)
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)  # also when C code holds the interpreter
    control.start()


def load(place, control):
    """Imports the app from the current folder."""
    sys.path.insert(0, os.getcwd())
    try:
        return load_app(place.entry)
    except BootFailure as failure:
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
    for fd in place.lanes:
        control.lanes.offer(Lane(socket.socket(fileno=fd), control.frame_max))
    place.board.rss = rss()
    place.board.idle()
    control.send(frame(READY, head=pairs((":rss", place.board.rss), (":title", place.entry.partition(":")[2]))))


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
    for stream, writer in zip((sys.stdout, sys.stderr, control.errors), control.writers):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # the app closed or replaced it
        writer.finish()
