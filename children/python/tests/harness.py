"""Plays the runner and the gateway of a real child process over socketpairs."""

import array
import contextlib
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.join(os.path.dirname(HERE), "ostler_child")
APPS = os.path.join(HERE, "apps")
sys.path.insert(0, os.path.dirname(PACKAGE))

from ostler_child import wire  # noqa: E402

PATIENCE = 20.0  # for any wait; reached only when something is broken


class Frame:
    def __init__(self, item):
        self.kind, self.flags, self.code, self.stream, self.aux, self.head, self.body = item

    @property
    def fields(self):
        return wire.fields(self.head)

    @property
    def ended(self):
        return bool(self.flags & wire.END)

    def __repr__(self):
        return "Frame(kind=%#x flags=%#x code=%d stream=%d head=%r body=%.300r)" % (
            self.kind, self.flags, self.code, self.stream, self.head, self.body)


class Socket:
    """One end of a socketpair, in frames."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.decoder = wire.Decoder()
        self.frames = []

    def send(self, data):
        self.sock.sendall(data)

    def send_fd(self, data, fd):
        self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])

    def frame(self):
        """The next frame, None at the end."""
        while not self.frames:
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.frames.extend(self.decoder.feed(data))
        return Frame(self.frames.pop(0))

    def rest(self):
        """Every frame until the end."""
        return list(iter(self.frame, None))

    def close(self):
        self.sock.close()


class Answer:
    """The frames of one stream, put together."""

    def __init__(self, stream):
        self.stream = stream
        self.status = None
        self.headers = []
        self.body = b""
        self.frames = []
        self.reset = None
        self.cost = None   # what FREE told

    def take(self, frame):
        assert frame.stream == self.stream, (frame, self.stream)
        if frame.kind == wire.FREE:
            assert self.frames[-1].flags & wire.HOLD, self.frames
            self.cost = frame.aux
            return True
        self.frames.append(frame)
        if frame.kind == wire.RSP:
            assert self.status is None
            self.status = frame.code
            parts = frame.head.decode("latin-1").split("\0") if frame.head else []
            self.headers = list(zip(parts[::2], parts[1::2]))
        else:
            assert frame.kind in (wire.DATA, wire.RESET), frame
        if frame.kind == wire.RESET:
            self.reset = frame.code
            self.text = frame.body.decode()
        else:
            self.body += frame.body
        return (frame.ended or frame.kind == wire.RESET) and not frame.flags & wire.HOLD

    def header(self, name):
        return dict((n.lower(), v) for n, v in self.headers).get(name.lower())


def request(stream, path="/", method="GET", body=b"", end=True, length=None, id="", env=(), pseudo=()):
    """A REQ frame as the gateway makes it."""
    items = [(":id", id or "req-%d" % stream), (":scheme", "https"), (":queue_us", "0000000042"), (":deadline_ms", "0")]
    items += list(pseudo)
    path, _, query = path.partition("?")
    items += [("REQUEST_METHOD", method), ("SCRIPT_NAME", ""), ("PATH_INFO", path), ("QUERY_STRING", query),
              ("REQUEST_URI", path), ("RAW_URI", path), ("SERVER_PROTOCOL", "HTTP/1.1"), ("SERVER_NAME", "shop.example"),
              ("SERVER_PORT", "8443"), ("REMOTE_ADDR", "192.0.2.7"), ("REMOTE_PORT", "51000")]
    if length is not None:
        items.append(("CONTENT_LENGTH", str(length)))
    items += [("HTTP_HOST", "shop.example"), ("HTTP_ACCEPT", "*/*")] + list(env)
    head = "\0".join(part for pair in items for part in pair).encode("latin-1")
    return wire.frame(wire.REQ, 0, stream, wire.END if end else 0, head=head, body=body)


def data(stream, body=b"", end=False):
    return wire.frame(wire.DATA, 0, stream, wire.END if end else 0, body=body)


def reset(stream, code):
    return wire.frame(wire.RESET, code, stream)


class Child:
    """A real child process; `with Child("hello:app") as c`."""

    def __init__(self, entry, root=APPS, python=None, env=None, lane=True, boot=True, grace_ms=None):
        mine, theirs = socket.socketpair()
        self.ctl = Socket(mine)
        fds = [theirs.fileno()]
        lane_end = None
        self.lane = None
        if lane:
            lane_mine, lane_end = socket.socketpair()
            self.lane = Socket(lane_mine)
            fds.append(lane_end.fileno())
        board = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR) if not hasattr(os, "memfd_create") else os.memfd_create("board")
        os.ftruncate(board, 4096)
        self.board = mmap.mmap(board, 4096)
        fds.append(board)
        full = dict(os.environ, OSTLER_PROTO="1", OSTLER_CTL_FD=str(theirs.fileno()), OSTLER_BOARD_FD=str(board),
                    OSTLER_LANE_FDS=str(lane_end.fileno()) if lane else "", OSTLER_CHILD="7", OSTLER_APP="shop",
                    OSTLER_GENERATION="1", OSTLER_ENTRY="wsgi:" + entry, PYTHONDONTWRITEBYTECODE="1")
        if grace_ms is not None:
            full["OSTLER_GRACE_MS"] = str(grace_ms)
        full.update(env or {})
        self.process = subprocess.Popen([python or sys.executable, PACKAGE], cwd=root, env=full, pass_fds=fds,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        theirs.close()
        os.close(board)
        if lane_end:
            lane_end.close()
        self.logs = []
        self.stream = 0
        if boot:
            self.hello = self.greet()
            self.ready = self.control_frame(wire.READY, wire.FAIL)
            assert self.ready.kind == wire.READY, self.ready

    def greet(self):
        hello = self.ctl.frame()
        assert hello is not None, self.process.stderr.read()
        self.ctl.send(wire.frame(wire.WELCOME, 1, head=wire.pairs(("hb_ms", 1000), ("max_frame", 1 << 20), ("window", 1 << 18))))
        return hello

    def control_frame(self, *kinds):
        """The next frame of these kinds on the control channel; logs are kept aside."""
        while True:
            frame = self.ctl.frame()
            if frame is None:
                raise EOFError("the control channel ended; stderr: %r" % self.process.stderr.read())
            if frame.kind == wire.LOG:
                self.logs.append(frame)
            if frame.kind in kinds:
                return frame

    def log(self, text):
        """Waits for a log line that has the text."""
        for frame in self.logs:
            if text in frame.body.decode():
                return frame
        while True:
            frame = self.control_frame(wire.LOG)
            if text in frame.body.decode():
                return frame

    def open(self, path="/", **options):
        """Sends a request; returns its stream."""
        self.stream += 1
        self.lane.send(request(self.stream, path, **options))
        return self.stream

    def answer(self, stream):
        answer = Answer(stream)
        while True:
            frame = self.lane.frame()
            if frame is None:
                raise EOFError("the lane ended")
            if answer.take(frame):
                return answer

    def get(self, path="/", **options):
        return self.answer(self.open(path, **options))

    def board_now(self):
        """(busy since, stream, state) as the runner sees them."""
        return struct.unpack_from("<QII", self.board, 0)

    def until_busy(self, stream):
        """Waits until the app has been given the stream."""
        until(lambda: self.board_now()[1:] == (stream, 2), "stream %d is busy: %r" % (stream, self.board_now()))

    def begun(self):
        """(lane, its last stream that was begun) as the runner sees them."""
        return struct.unpack_from("<I", self.board, 40)[0], self.board_now()[1]

    def bar(self, lane, stream):
        """Takes back what of a lane has not begun, up to the stream."""
        struct.pack_into("<II", self.board, 48, stream, lane)

    def new_lane(self, number=2):
        """Hands a new lane over; the old one is the caller's to close."""
        mine, theirs = socket.socketpair()
        self.lane = Socket(mine)
        self.ctl.send_fd(wire.frame(wire.LANE, flags=wire.FD, head=wire.pairs((":lane", 0), (":number", number))), theirs.fileno())
        theirs.close()

    def stop(self, code=wire.DRAIN):
        self.ctl.send(wire.frame(wire.STOP, code, aux=10000))

    def wait(self):
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ctl.close()
        if self.lane:
            self.lane.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.board.close()


@contextlib.contextmanager
def apps_in(**files):
    """A folder with modules of the given names and texts."""
    import tempfile
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            with open(os.path.join(root, name + ".py"), "w") as f:
                f.write(text)
        yield root


def until(condition, what):
    """Waits for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("never came true: %s" % what)
        time.sleep(0.002)
