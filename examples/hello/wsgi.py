"""A WSGI app without any framework. Serve it from here: ostler serve

/            says hello, and from where
/slow?ms=50  takes its time, to watch the queue
/count?to=9  sends a line at a time
/echo        sends a request's body back
"""

import os
import time
from urllib.parse import parse_qs


def application(environ, start_response):
    answer = ROUTES.get(environ["PATH_INFO"])
    if answer is None:
        return reply(start_response, "404 Not Found", "There is no such page.\n")
    return answer(environ, start_response)


def hello(environ, start_response):
    waited_ms = int(environ.get("ostler.queue_us", 0)) / 1000
    text = (
        "Hello from child %d, over %s, after %.3f ms in the queue.\n"
        % (os.getpid(), environ["SERVER_PROTOCOL"], waited_ms)
    )
    return reply(start_response, "200 OK", text)


def slow(environ, start_response):
    ms = number(environ, "ms", 50)
    time.sleep(ms / 1000)
    return reply(start_response, "200 OK", "That took %d ms.\n" % ms)


def count(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return (b"%d\n" % i for i in range(1, number(environ, "to", 9) + 1))


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    kind = environ.get("CONTENT_TYPE") or "application/octet-stream"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def reply(start_response, status, text):
    body = text.encode()
    start_response(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]


def number(environ, name, default):
    given = parse_qs(environ.get("QUERY_STRING", "")).get(name, [""])[0]
    return min(int(given), 60000) if given.isdigit() else default


ROUTES = {"/": hello, "/slow": slow, "/count": count, "/echo": echo}
