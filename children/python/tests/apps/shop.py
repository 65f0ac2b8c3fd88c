"""One path, one behaviour. Apps that keep the rules are wrapped by the standard library's validator."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from wsgiref.validate import validator

closed = []          # what close() was called on, in order
HERE = os.path.dirname(os.path.abspath(__file__))


class Closing:
    """An iterable that tells whether close() was called."""

    def __init__(self, name, chunks):
        self.name, self.chunks = name, iter(chunks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        closed.append(self.name)


def plain(start_response, body=b"ok", status="200 OK", *headers):
    start_response(status, [("Content-Type", "text/plain"), *headers])
    return [body]


def hello(environ, start_response):
    return plain(start_response, b"Hello")


def environ_json(environ, start_response):
    seen = {k: v if isinstance(v, (str, int, bool, tuple)) else type(v).__name__ for k, v in environ.items()}
    return plain(start_response, json.dumps(seen).encode())


def echo(environ, start_response):
    size = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(size)) if size else b""
    return plain(start_response, body)


def echo_all(environ, start_response):
    pieces = list(iter(lambda: environ["wsgi.input"].read(10000), b""))
    assert environ["wsgi.input"].read(10) == b""
    return plain(start_response, b"".join(pieces))


def lines(environ, start_response):
    f = environ["wsgi.input"]
    got = [f.readline(), f.readline(3), f.readline(-1), f.readlines(1)]
    got += [list(f), f.read(5), f.readline()]
    return plain(start_response, repr(got).encode())


def ignore(environ, start_response):
    return plain(start_response, b"ignored")


def truncated(environ, start_response):
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        closed.append(type(error).__name__)
        raise
    return plain(start_response, b"looked complete")


def first_then_rest(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["wsgi.input"].read(5)
    yield environ["wsgi.input"].read(5)


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b""
    yield b"one "
    yield b""
    yield b"two"


def generator_sized(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
    yield b"one "
    yield b"two"
    closed.append("after the last chunk")


def closing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing("closing", [b"a", b"b"])


def closing_sized(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return Closing("closing_sized", [b"a", b"b"])


def closing_fails(environ, start_response):
    def chunks():
        yield b"a"
        raise RuntimeError("half way")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing("closing_fails", chunks())


def endless(environ, start_response):
    def chunks():
        while True:
            yield b"x" * 1000
            time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing("endless", chunks())


def closed_list(environ, start_response):
    body = json.dumps(closed).encode()
    del closed[:]
    return plain(start_response, body)


def error(environ, start_response):
    raise RuntimeError("kaputt \udc80 ü")


def error_after_head(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise RuntimeError("too late")


def exc_info_before(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Old", "1")])
    try:
        raise ValueError("in the middle")
    except ValueError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"error page"]


def exc_info_after(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    try:
        raise ValueError("in the middle")
    except ValueError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"never"


def twice(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b""]


def never_started(environ, start_response):
    return [b"body"]


def none(environ, start_response):
    start_response("200 OK", [])
    return None


def write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    write(b"twice ")
    return [b"and returned"]


def text_body(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text"]


def sized(environ, start_response):
    """Status and length by query: status,length,body"""
    status, length, body = environ["QUERY_STRING"].split(",")
    headers = [("X-Kept", "1")] + ([("Content-Length", length)] if length else [])
    start_response(status + " Whatever", headers)
    return [body.encode()] if body else []


def sized_generator(environ, start_response):
    status, length, body = environ["QUERY_STRING"].split(",")
    start_response(status + " Whatever", [("Content-Length", length)] if length else [])
    for c in body:
        yield c.encode()


def headers(environ, start_response):
    start_response("200 OK", eval(environ["QUERY_STRING"]))
    return [b"ok"]


def status(environ, start_response):
    start_response(eval(environ["QUERY_STRING"]), [])
    return [b"ok"]


def file_memory(environ, start_response):
    f = io.BytesIO(b"0123456789")
    f.seek(4)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](f, 3)


def file_disk(environ, start_response):
    f = open(os.path.join(HERE, "shop.py"), "rb")
    f.seek(10)
    length = environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain")] + ([("Content-Length", length)] if length else []))
    return environ["wsgi.file_wrapper"](f)


def file_closes(environ, start_response):
    class File(io.BytesIO):
        def close(self):
            closed.append("file")
            super().close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](File(b"content"))


def big(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [bytes(range(256)) * 4 * int(environ["QUERY_STRING"])]


def big_list(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 1000] * int(environ["QUERY_STRING"])


def printing(environ, start_response):
    print("printed", "ünïcode", "\udcff")
    print("half", end="")
    print(" line")
    sys.stderr.write("to stderr\n")
    environ["wsgi.errors"].write("to errors\n")
    sys.stdout.buffer.write(b"raw bytes\n")
    print("y" * 40000)
    print(sys.stdout.fileno(), sys.stdout.isatty())
    return plain(start_response)


def stuck(environ, start_response):
    print("stuck now")
    until = time.monotonic() + 15
    while time.monotonic() < until:
        pass
    return plain(start_response)


def sleep(environ, start_response):
    try:
        print("sleeping now")
        time.sleep(float(environ["QUERY_STRING"]))
    finally:
        print("finally ran")
    return plain(start_response, b"slept")


def swallows(environ, start_response):
    try:
        print("swallowing now")
        time.sleep(20)
    except BaseException:
        pass
    return plain(start_response, b"swallowed")


def exits(environ, start_response):
    sys.exit(3)


def forks(environ, start_response):
    pid = os.fork()
    if not pid:
        print("from the fork")
        time.sleep(float(environ["QUERY_STRING"] or 0))
        os._exit(0)
    if not environ["QUERY_STRING"]:
        os.waitpid(pid, 0)
    return plain(start_response, str(pid).encode())


def program(environ, start_response):
    child = subprocess.Popen([sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')), end='')"],
                             stdout=subprocess.PIPE, close_fds=False)
    return plain(start_response, child.communicate()[0])


def state(environ, start_response):
    return plain(start_response, json.dumps({
        "path": sys.path, "cwd": os.getcwd(), "env": sorted(k for k in os.environ if k.startswith("OSTLER")),
        "modules": sorted(m for m in sys.modules if m in ("wire", "lane", "wsgi", "body", "control", "logs", "board")),
        "threads": [t.name for t in threading.enumerate()],
    }).encode())


def django_like(environ, start_response):
    """A sized answer that is not a list, as frameworks give."""
    start_response("200 OK", [("Content-Length", "5")])
    return iter([b"hello"])


VALID = (hello, environ_json, echo, echo_all, ignore, generator, generator_sized, closing, closing_sized, exc_info_before)
RAW = (lines, truncated, first_then_rest, closing_fails, endless, closed_list, error, error_after_head, exc_info_after,
       twice, never_started, none, write, text_body, sized, sized_generator, headers, status, file_memory, file_disk,
       file_closes, big, big_list, printing, stuck, sleep, swallows, exits, forks, program, state, django_like)
table = {"/" + f.__name__: validator(f) for f in VALID}
table.update({"/" + f.__name__: f for f in RAW})
# The validator's iterator complains when close() is missing, so the raw ones are reachable for comparison, too.
table.update({"/raw/" + f.__name__: f for f in VALID})


def app(environ, start_response):
    return table[environ["PATH_INFO"]](environ, start_response)
