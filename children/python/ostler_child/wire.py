"""Frames: a header of 16 bytes, a head of NUL-separated pairs, a body. The normative text is docs/WIRE.md."""

import struct

VERSION = 1
HEADER = struct.Struct("<IBBHII")  # len, type, flags, code, stream, aux
FRAME_MAX = 1 << 20
FRAME_CAP = 16 << 20
DATA_CHUNK = 64 << 10

REQ, RSP, DATA, TRAIL, RESET, WIN, CALL, REPLY, EVENT, MSG, TUN, FREE = range(0x01, 0x0D)
HELLO, WELCOME, READY, FAIL, PING, PONG, STATS, STOP, BYE, FORK, FORKED, DUMP, LOG, OOB, LANE, \
    WITHDRAW = range(0x40, 0x50)

END, FD, BODYLESS, HOLD, CRITICAL = 0x01, 0x02, 0x04, 0x08, 0x80

# Codes of RESET.
CLIENT_GONE, DEADLINE, APP_ERROR, PROTOCOL, NOT_STARTED, DRAINING, TOO_LARGE, RECALL = range(1, 9)
# Codes of STOP.
DRAIN, NOW = 0, 1
# Codes of BYE.
APP_ASKED, DRAINED, STOPPED = 3, 4, 5

# Every type that a child may be sent or send, and whether it has a head (its length is aux; in others aux is a number).
HAS_HEAD = {kind: True for kind in (REQ, RSP, TRAIL, CALL, REPLY, HELLO, WELCOME, READY, FAIL, STATS, FORK, FORKED,
                                    LOG, LANE, WITHDRAW)}
HAS_HEAD.update({kind: False for kind in (DATA, RESET, WIN, EVENT, MSG, TUN, FREE, PING, PONG, STOP, BYE, DUMP, OOB)})
# Of links only (0x50..0x57, 0x60..0x66); a child never acts on them, but a codec knows them.
HAS_HEAD.update({kind: True for kind in (0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x57, 0x60, 0x65, 0x66)})
HAS_HEAD.update({kind: False for kind in (0x56, 0x61, 0x62, 0x63, 0x64)})


class ProtocolError(Exception):
    """The other side broke a rule; the socket is of no more use."""


def frame(kind, code=0, stream=0, flags=0, aux=0, head=b"", body=b""):
    """A frame as bytes; with a head, aux is its length."""
    if head:
        aux = len(head)
    return HEADER.pack(len(head) + len(body), kind, flags, code, stream, aux) + head + body


def pairs(*items):
    """A head of (name, value) texts. Any text can be sent: what is no Unicode is spelled with backslashes."""
    parts = [str(part).replace("\0", "\ufffd") for pair in items for part in pair]
    return "\0".join(parts).encode("utf-8", "backslashreplace")


def fields(head):
    """A head as a dict of texts."""
    if not head:
        return {}
    parts = head.decode("utf-8", "replace").split("\0")
    if len(parts) % 2:
        raise ProtocolError("head is not a list of name NUL value pairs")
    return dict(zip(parts[::2], parts[1::2]))


class Decoder:
    """Cuts a byte stream into frames, however it was split on the way."""

    __slots__ = ("frame_max", "held", "size", "need")

    def __init__(self, frame_max=FRAME_MAX):
        self.frame_max = frame_max
        self.held = []  # pieces of a frame that is not whole
        self.size = 0   # their bytes
        self.need = 16  # bytes to wait for

    def feed(self, data):
        """The frames that `data` (bytes) completes: tuples (type, flags, code, stream, aux, head, body)."""
        if self.held:
            self.held.append(data)
            self.size += len(data)
            if self.size < self.need:
                return ()
            data = b"".join(self.held)
            self.held = []
        frames = []
        start, size = 0, len(data)
        self.need = 16
        while size - start >= 16:
            length, kind, flags, code, stream, aux = HEADER.unpack_from(data, start)
            if length > self.frame_max:
                raise ProtocolError("frame of %d bytes, but at most %d were agreed" % (length, self.frame_max))
            head_at = start + 16
            end = head_at + length
            has_head = HAS_HEAD.get(kind)
            if has_head is None and flags & CRITICAL:
                raise ProtocolError("critical frame of unknown type 0x%02x" % kind)
            if end > size:
                self.need = end - start
                break
            if has_head:
                body_at = head_at + aux
                if body_at > end:
                    raise ProtocolError("head of %d bytes in a frame of %d" % (aux, length))
                frames.append((kind, flags, code, stream, aux, data[head_at:body_at], data[body_at:end]))
            elif has_head is not None:
                frames.append((kind, flags, code, stream, aux, b"", data[head_at:end]))
            start = end
        if start < size:
            self.held.append(data[start:])
            self.size = size - start
        return frames

    def is_between_frames(self):
        """Whether an end of the stream here would lose nothing."""
        return not self.held
