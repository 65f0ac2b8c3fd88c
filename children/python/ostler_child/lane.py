"""A lane: the data socket of a child, one stream at a time, with requests prefetched behind it."""

import socket
from collections import deque

from .native import HELD_UP, make_blocking, wait_readable
from .wire import APP_ERROR, DATA, DRAINING, END, FRAME_MAX, FREE, HEADER, NOT_STARTED, PROTOCOL, RECALL, REQ, RESET, TRAIL, Decoder, \
    ProtocolError, frame

READ = 256 << 10    # one read takes a small request, or several, or a good piece of a large one
SEND_BUFFER = 512 << 10
AHEAD = 16          # frames that a peek may leave unread, so that peeking never swallows an upload


class LaneGone(ConnectionError):
    """The gateway's side of the lane is closed."""


class Lane:
    """Reads greedily, keeps whole frames in order, and notices a RESET wherever in the queue it is.

    The rule that keeps both sides in step: a child ends every stream that it received with exactly one frame of its own
    that has the END flag, or exactly one RESET, whatever the gateway did to the stream meanwhile. A gateway that gave a
    stream up ignores what comes for it, but learns from that last frame that the child is free again.
    """

    def __init__(self, sock, frame_max=FRAME_MAX, number=0):
        self.sock = sock
        self.number = number   # the runner's for it
        self.decoder = Decoder(frame_max)
        self.buffer = bytearray(READ)  # kept: allocating 256 KiB for each read costs seven times the read
        self.view = memoryview(self.buffer)
        self.frames = deque()
        self.resets = {}       # streams that the gateway gave up and this child has not finished: code
        self.opened = 0        # the last stream that arrived
        self.started = 0       # the last stream that was given to the app
        self.finished = 0      # the last stream that has its last frame
        self.is_eof = False
        self.error = None      # the rule that the gateway broke
        self.is_torn = False   # a frame may be half written: nothing may follow it
        self.is_fork = False   # this process was forked by the app: the lane is its parent's
        self.is_retired = False
        self.is_waiting = False
        make_blocking(sock)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        except OSError:
            pass  # a smaller buffer is slower, not wrong

    def read(self, flags=0):
        """One read; False at the end of the lane. What it brings is queued, or noted when it is a RESET."""
        try:
            size = self.sock.recv_into(self.buffer, READ, flags)
        except HELD_UP:
            if not flags:
                make_blocking(self.sock)
            return True
        except OSError:
            size = 0
        if not size:
            self.is_eof = True
            return False
        try:
            for item in self.decoder.feed(bytes(self.view[:size])):
                if item[0] == REQ and item[3] > self.opened:
                    self.opened = item[3]
                    self.frames.append(item)
                else:
                    self.take(item)
        except ProtocolError as error:
            return self.give_up(error)
        return True

    def take(self, item):
        """Queues or notes a frame that opens nothing. What comes for finished streams is late, not wrong."""
        kind, stream = item[0], item[3]
        if kind == REQ:
            raise ProtocolError("stream %d is not above every stream before it" % stream)
        if stream > self.finished:
            if kind == DATA or kind == TRAIL:
                self.frames.append(item)
            elif kind == RESET:
                self.resets[stream] = item[2]

    def give_up(self, error):
        """Ends reading because the gateway broke a rule. What waits is given back."""
        self.error = str(error)
        for item in self.frames:
            self.resets[item[3]] = PROTOCOL
        self.is_eof = True
        return False

    def read_rest(self):
        """Takes what the socket holds, and nothing after."""
        self.shut_reading()
        while not self.is_eof and self.read():
            pass

    def wait(self):
        """Reads until something is queued, between two requests; False when the lane is over."""
        self.is_waiting = True
        try:
            # Both sides set their flag before they look at the other's, so a lane retired here is always woken.
            if self.is_retired:
                self.shut_reading()
            while not self.frames:
                wait_readable(self.sock)
                if self.is_eof or not self.read():
                    return False
                if self.resets:
                    self.forget_late_resets()
        finally:
            self.is_waiting = False
        return True

    def retire(self):
        """From the control thread: the lane serves what was sent to it, then ends."""
        self.is_retired = True
        if self.is_waiting:
            self.shut_reading()

    def shut_reading(self):
        """Ends reading after what is queued in the socket; from here on the gateway's writes fail instead of being lost."""
        try:
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def body_frame(self, stream):
        """The next DATA or TRAIL frame of the running stream; None at the end of the lane or after its RESET."""
        while True:
            if self.resets and self.is_cancelled(stream):
                return None
            if self.frames:
                item = self.frames[0]
                if item[0] == REQ:
                    self.give_up("stream %d opened before the body of %d ended" % (item[3], stream))
                    return None
                self.frames.popleft()
                if item[3] == stream:
                    return item
            elif self.is_eof or not self.read():
                return None

    def has_whole_body(self, stream):
        """Whether the end of a queued stream's body has arrived."""
        return any(f[3] == stream and (f[1] & END or f[0] == TRAIL) for f in self.frames)

    def is_cancelled(self, stream):
        """Whether the gateway gave the stream up. A recall is only a question, and not for what was started."""
        code = self.resets.get(stream)
        return code is not None and (code != RECALL or stream > self.started)

    def peek_cancelled(self, stream):
        """The same, after a look at what has arrived meanwhile."""
        if len(self.frames) < AHEAD and not self.is_eof:
            self.read(socket.MSG_DONTWAIT)
        return bool(self.resets) and self.is_cancelled(stream)

    def send(self, data):
        """Writes one or more whole frames; mostly one system call."""
        if self.is_torn:
            raise LaneGone("the gateway closed the lane")
        self.is_torn = True  # until it is written whole: an exception of a signal handler may come at any point
        try:
            try:
                sent = self.sock.send(data)
            except HELD_UP:
                sent = self.write(self.sock.send, data)
            if sent != len(data):
                self.write_all(memoryview(data)[sent:])
        except OSError as error:
            raise LaneGone("the gateway closed the lane") from error
        self.is_torn = False

    def write(self, call, data):
        """Writes some of it. A socket that the app made one that does not block is made one that does."""
        while True:
            try:
                return call(data)
            except HELD_UP:
                make_blocking(self.sock)

    def write_all(self, view):
        while view:
            view = view[self.write(self.sock.send, view):]

    def send_data(self, stream, flags, view):
        """Writes a large DATA frame without copying its body."""
        if self.is_torn:
            raise LaneGone("the gateway closed the lane")
        self.is_torn = True
        header = HEADER.pack(len(view), DATA, flags, 0, stream, 0)
        try:
            sent = self.write(self.sock.sendmsg, (header, view))
            if sent < 16:
                self.write_all(memoryview(header)[sent:])
                sent = 16
            if sent < 16 + len(view):
                self.write_all(view[sent - 16:])
        except OSError as error:
            raise LaneGone("the gateway closed the lane") from error
        self.is_torn = False

    def send_reset(self, stream, code=APP_ERROR, body=b"", flags=0):
        """Ends a stream without an answer, or with half of one."""
        self.finish(stream)
        if not self.is_torn:
            try:
                self.send(frame(RESET, code, stream, flags, body=body))
            except LaneGone:
                pass  # nobody is there to be told

    def send_free(self, stream, cost_us):
        """Says that the app is done with a stream that was ended with HOLD."""
        if not self.is_torn:
            try:
                self.send(frame(FREE, 0, stream, aux=cost_us))
            except LaneGone:
                pass  # nobody is there to be told

    def finish(self, stream):
        """Notes that the stream has its last frame."""
        self.finished = stream
        if self.resets:
            self.forget_late_resets()

    def forget_late_resets(self):
        self.resets = {s: code for s, code in self.resets.items() if s > self.finished}

    def leave_to_parent(self):
        """In a process that the app forked: nothing is read or written here any more."""
        self.sock.close()
        self.is_fork = self.is_torn = self.is_eof = True

    def close(self):
        """Gives back what was not started, tells the gateway so, and closes."""
        self.read_rest()
        if self.started > self.finished:
            self.send_reset(self.started, APP_ERROR, b"the child ended while this request was running")
        for item in self.frames:
            if item[0] == REQ and item[3] > self.finished:
                self.send_reset(item[3], NOT_STARTED)
        if not self.is_torn:
            try:
                self.send(frame(RESET, DRAINING, 0, aux=self.started))  # nothing above `started` was started
            except LaneGone:
                pass
        self.sock.close()
