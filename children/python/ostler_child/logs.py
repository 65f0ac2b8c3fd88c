"""What the app prints becomes LOG frames, a line each, with the id of the request that it was printed in."""

import io
import os

from .native import RLock, write_fd
from .wire import LOG, frame, pairs

LINE_MAX = 16 << 10
INFO, ERROR = 1, 2


class Context:
    """Which request is running."""

    request_id = ""


def log_frame(level, stream, text):
    """A LOG frame; `text` is bytes."""
    head = [(":stream", stream)]
    if Context.request_id:
        head.append((":id", Context.request_id))
    return frame(LOG, level, head=pairs(*head), body=text)


class LineWriter(io.RawIOBase):
    """The binary end of a log stream: whole lines go to the runner, or to the real descriptor when it is gone."""

    def __init__(self, control, fd, name, level):
        self.control = control
        self.fd = fd
        self.name = name
        self.level = level
        self.partial = b""
        self.lock = RLock()

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    def isatty(self):
        return os.isatty(self.fd)

    def write(self, data):
        data = bytes(data)
        with self.lock:
            text = self.partial + data
            *lines, self.partial = text.split(b"\n")
            while len(self.partial) > LINE_MAX:
                lines.append(self.partial[:LINE_MAX])
                self.partial = self.partial[LINE_MAX:]
            if lines:
                self.emit(lines)
        return len(data)

    def finish(self):
        """Sends an unfinished last line."""
        with self.lock:
            last, self.partial = self.partial, b""
            if last:
                self.emit([last])

    def emit(self, lines):
        frames = b"".join(log_frame(self.level, self.name, line[at:at + LINE_MAX])
                          for line in lines for at in range(0, max(len(line), 1), LINE_MAX))
        if not self.control.send(frames):
            write_all(self.fd, b"\n".join(lines) + b"\n")

    def after_fork(self):
        """In a process that the app forked: the lock may be held by a thread that does not exist here."""
        self.lock = RLock()
        self.partial = b""


def write_all(fd, data):
    """Writes to a descriptor, as far as it takes it."""
    try:
        while data:
            data = data[write_fd(fd, data):]
    except OSError:
        pass


def text_stream(writer):
    """A text file over a writer; any str can be written, a lone surrogate becomes its escape."""
    return io.TextIOWrapper(writer, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True,
                            write_through=True)
