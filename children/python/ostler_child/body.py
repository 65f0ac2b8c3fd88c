"""wsgi.input: the request's body as a binary file that cannot be read past its end, nor into the next request."""

import io

from .wire import END, TRAIL, ProtocolError

BUFFER = 64 << 10


class RequestAborted(ConnectionResetError):
    """The client left or the deadline passed while the request was running."""


class BodyTruncated(ConnectionError):
    """The body ended before its length: what was read is not the whole."""


def open_body(lane, stream, first, ended, length):
    """A file for the body that begins with `first`; `length` is the text of the announced one, or None."""
    if length:
        if not length.isdecimal():
            raise ProtocolError("CONTENT_LENGTH is not a number: %r" % length)
        length = int(length)
    else:
        length = None
    if ended and (length is None or length == len(first)):
        return io.BytesIO(first)
    return io.BufferedReader(Body(lane, stream, first, ended, length), BUFFER)


class Body(io.RawIOBase):
    """Pulls DATA frames from the lane as the app reads."""

    def __init__(self, lane, stream, first, ended, length):
        self.lane = lane
        self.stream = stream
        self.piece = memoryview(first)
        self.ended = ended
        self.left = length  # bytes still to come by the announced length, None when there is none
        self.cut()

    def readable(self):
        return True

    def readinto(self, target):
        if not len(target):
            return 0
        while not self.piece:
            if self.is_over():
                return 0
            self.pull()
        piece = self.piece[:len(target)]
        target[:len(piece)] = piece
        self.piece = self.piece[len(piece):]
        return len(piece)

    def readall(self):
        pieces = [self.piece]
        self.piece = memoryview(b"")
        while not self.is_over():
            self.pull()
            pieces.append(self.piece)
            self.piece = memoryview(b"")
        return b"".join(pieces)

    def is_over(self):
        """Whether the body was received whole; raises when it never will be."""
        if self.left == 0:
            return True
        if self.ended and self.left:
            raise BodyTruncated("the body ended %d bytes before its Content-Length" % self.left)
        return self.ended

    def pull(self):
        if self.lane is None or self.stream != self.lane.started or self.stream <= self.lane.finished:
            raise ValueError("the request that this wsgi.input belongs to is over")
        item = self.lane.body_frame(self.stream)
        if item is None:
            if self.lane.is_cancelled(self.stream):
                raise RequestAborted("the client left, or the request's deadline passed")
            raise BodyTruncated("the gateway went away before the end of the body")
        self.ended = bool(item[1] & END) or item[0] == TRAIL
        if item[0] != TRAIL:
            self.piece = memoryview(item[6])
            self.cut()

    def cut(self):
        """Bounds what came by the announced length."""
        if self.left is not None:
            self.piece = self.piece[:self.left]
            self.left -= len(self.piece)
