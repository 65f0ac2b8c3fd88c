"""One WSGI request: from a REQ frame to the app and back (PEP 3333)."""

import sys
import traceback

from .answer import check_answer
from .body import RequestAborted
from .cost import SHORT_NS
from .lane import LaneGone
from .native import Clock
from .wire import APP_ERROR, BODYLESS, DATA, DATA_CHUNK, END, HEADER, HOLD, RSP, ProtocolError, frame

TRACEBACK_MAX = 60 << 10
FIRST = ["REQUEST_METHOD"]  # of the names that are the app's
JOIN_MAX = 64 << 10  # a list of chunks up to this size is sent as one


class FileWrapper:
    """wsgi.file_wrapper: a file's rest in blocks, from where the app left it."""

    def __init__(self, filelike, blksize=DATA_CHUNK):
        self.filelike = filelike
        self.blksize = max(blksize, DATA_CHUNK)
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        block = self.filelike.read(self.blksize)
        if not block:
            raise StopIteration
        return block


def template(errors):
    """What is the same in every environ."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.errors": errors,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }


def read_head(head, constants):
    """The environ of a REQ's head, without wsgi.input: its CGI names, and what its pseudo fields say."""
    parts = head.decode("latin-1").split("\0")
    if len(parts) % 2:
        raise ProtocolError("head is not a list of name NUL value pairs")
    environ = constants.copy()
    rest = iter(parts)
    environ.update(zip(rest, rest))
    take = environ.pop
    environ["wsgi.url_scheme"] = take(":scheme", "http")
    environ["ostler.request_id"] = take(":id", "")
    try:
        environ["ostler.queue_us"] = int(take(":queue_us", "") or 0)
    except ValueError:
        raise ProtocolError(":queue_us is not a number") from None
    take(":deadline_ms", None)
    if parts[8:9] != FIRST:  # there are not just those four: pseudo names that are not known are skipped
        for name in [name for name in environ if name[:1] == ":"]:
            del environ[name]
    return environ


class Exchange:
    """The server's side of one call of the app."""

    __slots__ = ("lane", "stream", "log", "meter", "code", "head", "length", "left", "is_head", "is_bodyless", "is_head_sent",
                 "is_ended", "is_full", "is_file", "is_held", "close")

    def __init__(self, lane, stream, log, meter):
        self.lane = lane
        self.stream = stream
        self.meter = meter
        self.close = None         # of the app's result, to be called when that is done with
        self.is_held = True       # the app may go on after the last frame: FREE is to follow it
        self.log = log            # called with a text for the log
        self.code = 0             # 0: start_response was not called
        self.is_head_sent = False
        self.is_ended = False     # the last frame was sent
        self.is_full = False      # more of the body is not wanted
        self.is_file = False      # PEP 3333: a file is sent to its end or to Content-Length, whichever is first

    def start_response(self, status, headers, exc_info=None):
        if exc_info is not None:
            try:
                if self.is_head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no cycle through the frame
        elif self.code:
            raise AssertionError("start_response was called a second time without exc_info")
        self.code, self.head, self.length = check_answer(status, headers)
        self.left = self.length
        self.is_bodyless = self.is_head or self.code == 304 or self.code == 204
        return self.write

    def write(self, data):
        """PEP 3333's way for old apps: sent before it returns."""
        if type(data) is not bytes:
            data = as_bytes(data)
        if data:
            self.put(data)

    # From here on in the order of an answer.

    def run(self, app, environ):
        """Calls the app and sends its answer; whatever happens, the stream gets its one last frame.

        The client has the end of its answer before close() is called, which may take long. The child is free after it.
        """
        self.is_head = environ["REQUEST_METHOD"] == "HEAD"
        stop = None
        try:
            self.answer(app, environ)
        except BaseException as error:  # SystemExit, GeneratorExit, CancelledError: the app's, too
            stop = self.handle(error)
        if self.lane.is_fork:
            leave()
        if self.close is not None:
            try:
                self.close()
            except BaseException as error:
                stop = self.handle(error) or stop
            if self.lane.is_fork:
                leave()
        if stop is not None:
            raise stop
        if self.is_held:
            self.lane.send_free(self.stream, self.meter.cost_us())

    def handle(self, error):
        """Ends the stream for what the app raised. Returns the error if it is the Stop of this child."""
        if self.lane.is_fork and not isinstance(error, LaneGone):
            raise error  # ends the process as it would anywhere else
        self.fail(error)
        return error if getattr(error, "is_stop", False) else None

    def answer(self, app, environ):
        result = app(environ, self.start_response)
        if type(result) is list or type(result) is tuple:
            self.is_held = self.is_ended  # by write(), when HOLD was said already
            return self.put_all(result)
        self.close = getattr(result, "close", None)
        self.is_file = type(result) is FileWrapper
        for chunk in result:
            if type(chunk) is not bytes:
                chunk = as_bytes(chunk)
            if chunk:
                self.put(chunk)
                if self.is_full:
                    break
        if not self.is_ended:
            self.end()

    def put_all(self, chunks):
        """Sends an answer that is there as a whole, in one frame when it is small."""
        if len(chunks) != 1:
            chunks = [chunk if type(chunk) is bytes else as_bytes(chunk) for chunk in chunks]
            if sum(map(len, chunks)) > JOIN_MAX:
                last = len(chunks) - 1
                for i, chunk in enumerate(chunks):
                    if chunk and not self.is_full:
                        self.put(chunk, i == last)
                if not self.is_ended:
                    self.end()
                return
            data = b"".join(chunks)
        else:
            data = chunks[0]
            if type(data) is not bytes:
                data = as_bytes(data)
        if data:
            self.put(data, True)
        if not self.is_ended:
            self.end()

    def put(self, data, is_last=False):
        """Sends a piece of the body, with the head when it is the first.

        A generator's piece is sent at once: PEP 3333 forbids to hold it back until the next. END rides on it when it is
        known to be the last, which Content-Length mostly tells.
        """
        if not self.code:
            raise AssertionError("the app gave body bytes before it called start_response")
        if self.is_ended:
            return self.overflow()
        if self.is_bodyless:
            self.is_full = True
            return self.end()
        if self.left is not None:
            if len(data) > self.left:
                data = data[:self.left]
                self.overflow()
            self.left -= len(data)
            is_last = not self.left
        if self.is_head_sent:
            if self.lane.peek_cancelled(self.stream):
                raise RequestAborted("the client left, or the request's deadline passed")
            self.send_pieces(memoryview(data), is_last)
        elif len(data) <= DATA_CHUNK:
            self.send_head(self.last() if is_last else 0, data)
        else:
            self.send_head(0, b"")
            self.send_pieces(memoryview(data), is_last)
        if is_last:
            self.ended()

    def end(self):
        """Ends the body after what was sent of it."""
        if not self.code:
            raise AssertionError("the app returned without calling start_response")
        if not self.is_head_sent:
            if self.left and not self.is_bodyless:
                raise ValueError("the app gave no body, but a Content-Length of %d" % self.length)
            self.send_head(self.last(), b"")
        else:
            if self.left:
                raise ValueError("the body ended %d bytes before its Content-Length of %d" % (self.left, self.length))
            self.lane.send(frame(DATA, 0, self.stream, self.last()))
        self.ended()

    def send_head(self, flags, data):
        head = self.head
        if self.is_bodyless:
            flags |= BODYLESS
        size = len(head)
        self.is_head_sent = True
        self.lane.send(HEADER.pack(size + len(data), RSP, flags, self.code, self.stream, size) + head + data)

    def send_pieces(self, view, is_last):
        size = len(view)
        if size <= DATA_CHUNK:
            return self.lane.send_data(self.stream, self.last() if is_last else 0, view)
        for start in range(0, size, DATA_CHUNK):
            if start and self.lane.peek_cancelled(self.stream):
                raise RequestAborted("the client left, or the request's deadline passed")
            end = start + DATA_CHUNK
            self.lane.send_data(self.stream, self.last() if is_last and end >= size else 0, view[start:end])

    def last(self):
        """The flags of the last frame. A list is sent when the app is done; what it cost is told if it was much."""
        if not self.is_held:
            self.is_held = Clock.now_ns() - self.meter.began >= SHORT_NS
        return END | HOLD if self.is_held else END

    def ended(self):
        self.is_ended = True
        lane = self.lane
        lane.finished = self.stream
        if lane.resets:
            lane.forget_late_resets()

    def overflow(self):
        """Notes that the app gave more than its Content-Length, and says so once."""
        if not self.is_full:
            self.is_full = True
            if self.is_file:
                return
            self.log("the app gave more body than its Content-Length of %s; the rest is dropped" % self.length)

    def fail(self, error):
        """Ends the stream for an error of the app, the gateway or the client."""
        if isinstance(error, LaneGone) or self.lane.is_torn:
            return self.lane.finish(self.stream)
        is_aborted = isinstance(error, RequestAborted) or self.lane.is_cancelled(self.stream)
        if getattr(error, "is_stop", False):
            text = "the child was told to end while this request was running"
        elif is_aborted:
            text = ""
        else:
            text = format_error(error)
            self.log(text)
        if not self.is_ended:
            self.is_ended = True
            self.lane.send_reset(
                self.stream, APP_ERROR, text.encode("utf-8", "backslashreplace")[-TRACEBACK_MAX:], HOLD if self.is_held else 0)


def leave():
    """The app forked and came back: what this process would answer is its parent's to say."""
    raise SystemExit(0)


def as_bytes(chunk):
    """A chunk that is not bytes, made bytes where nothing is guessed."""
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk)
    raise TypeError("the body must be bytes, not %s: %.60r" % (type(chunk).__name__, chunk))


def format_error(error):
    """The traceback without the frames of this package at its top."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__ and trace.tb_next:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # an exception whose own text fails
        return "%s (its text cannot be shown)\n" % type(error).__name__
