"""What the tests ask of an app, one path each. It notes every call, so that a test can tell what reached it."""

import hashlib
import json
import os
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def note(environ):
    query = environ["QUERY_STRING"]
    line = environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"] + ("?" + query if query else "") + "\n"
    out = os.open(os.path.join(HERE, "calls"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(out, line.encode("latin-1"))
    os.close(out)


def wait_open(name):
    """Until the test lets go; a test that forgot is not waited for for ever."""
    until = time.monotonic() + 60
    while not os.path.exists(os.path.join(HERE, "open-" + name)) and time.monotonic() < until:
        time.sleep(0.003)


def answer(start_response, body, status="200 OK", headers=()):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def environ(env, start_response, rest):
    """Everything that is text, as JSON."""
    known = {k: v for k, v in env.items() if isinstance(v, str)}
    return answer(start_response, json.dumps(known).encode())


def hold(env, start_response, rest):
    """/hold/NAME answers when the test says so."""
    wait_open(rest)
    return answer(start_response, b"held " + rest.encode())


def hash_body(env, start_response, rest):
    """Length and digest of the request's body, and the length that was told."""
    digest, length = hashlib.sha256(), 0
    while True:
        piece = env["wsgi.input"].read(65536)
        if not piece:
            break
        digest.update(piece)
        length += len(piece)
    said = env.get("CONTENT_LENGTH", "none")
    return answer(start_response, ("%d %s %s" % (length, digest.hexdigest(), said)).encode())


def first_piece(env, start_response, rest):
    """/first/NAME notes that the first bytes of the body came, then reads the rest."""
    got = env["wsgi.input"].read(5)
    open(os.path.join(HERE, "got-" + rest), "wb").write(got)
    return answer(start_response, got + env["wsgi.input"].read())


def ignore(env, start_response, rest):
    """Answers without a look at the body."""
    return answer(start_response, b"ignored")


def big(env, start_response, rest):
    """/big/BYTES in pieces; each 64 KiB piece begins with its number."""
    left = int(rest)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", rest)])

    def pieces(left):
        number = 0
        while left > 0:
            piece = (b"%08d" % number + b"x" * 65528)[:left]
            yield piece
            left -= len(piece)
            number += 1
    return pieces(left)


def stream(env, start_response, rest):
    """/stream/NAME gives one piece, and the second when the test says so."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    wait_open(rest)
    yield b"second"


def breaks(env, start_response, rest):
    """/breaks/BYTES gives so many bytes and then fails."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"y" * int(rest)
    raise RuntimeError("half way")


def error(env, start_response, rest):
    raise RuntimeError("kaputt <secret>")


def die(env, start_response, rest):
    os._exit(7)


def status(env, start_response, rest):
    """/status/CODE with a body only where there may be one."""
    start_response(rest + " Status", [("X-Kept", "yes")])
    return [] if rest in ("204", "304") else [b"body of " + rest.encode()]


def length(env, start_response, rest):
    """/length/TOLD/TRUE tells one length and gives another."""
    told, true = rest.split("/")
    start_response("200 OK", [("Content-Length", told)])
    return [b"z" * int(true)]


def length_pieces(env, start_response, rest):
    told, true = rest.split("/")
    start_response("200 OK", [("Content-Length", told)])
    for _ in range(int(true)):
        yield b"z"


def sleep(env, start_response, rest):
    """/sleep/MILLISECONDS"""
    time.sleep(int(rest) / 1000)
    return answer(start_response, b"slept")


def stuck(env, start_response, rest):
    """Does not end, whatever is raised in it."""
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def cookies(env, start_response, rest):
    return answer(start_response, b"", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])


def pid(env, start_response, rest):
    return answer(start_response, str(os.getpid()).encode())


def printing(env, start_response, rest):
    print("printed", rest)
    env["wsgi.errors"].write("complained " + rest + "\n")
    return answer(start_response, b"printed")


TABLE = {
    "environ": environ, "hold": hold, "hash": hash_body, "first": first_piece, "ignore": ignore, "big": big,
    "stream": stream, "breaks": breaks, "error": error, "die": die, "status": status, "length": length,
    "length-pieces": length_pieces, "sleep": sleep, "stuck": stuck, "cookies": cookies, "pid": pid, "print": printing,
}


def application(env, start_response):
    note(env)
    name, _, rest = env["PATH_INFO"][1:].partition("/")
    handler = TABLE.get(name)
    if handler is None:
        return answer(start_response, b"hello " + env["PATH_INFO"].encode("latin-1"))
    return handler(env, start_response, rest)
