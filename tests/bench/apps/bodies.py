"""POST counts the bytes of the body; GET /N sends N bytes."""

PIECE = b"x" * 65536


def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        size = 0
        while True:
            piece = environ["wsgi.input"].read(len(PIECE))
            if not piece:
                break
            size += len(piece)
        answer = b"%d\n" % size
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
        return [answer]
    size = int(environ["PATH_INFO"].strip("/") or 0)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    return pieces(size)


def pieces(size):
    while size > 0:
        yield PIECE[:size]
        size -= len(PIECE)
