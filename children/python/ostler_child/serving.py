"""The loop of the main thread: the next request of a lane, its answer, the next."""

from .body import open_body
from .cost import Meter
from .logs import Context
from .wire import END, NOT_STARTED, PROTOCOL, REQ, ProtocolError
from .wsgi import Exchange, read_head, template


class Server:
    """Calls one app for what comes on one lane after the other."""

    def __init__(self, app, board, control):
        self.app = app
        self.board = board
        self.control = control
        self.meter = Meter()
        self.constants = template(control.errors)

    def serve_lane(self, lane):
        """Serves until the lane ends. Requests that were prefetched wait in the lane's queue."""
        frames = lane.frames
        self.board.serve(lane.number)
        while True:
            if not frames:
                self.idle()
                if not lane.wait():
                    break
            item = frames.popleft()
            if item[0] == REQ:  # anything else is the rest of a body that the app did not read
                self.serve(lane, item)
        if lane.error:
            self.log("lane closed, the gateway broke a rule: %s" % lane.error)

    def serve(self, lane, item):
        _, flags, _, stream, _, head, first = item
        if lane.resets and stream in lane.resets:
            return lane.send_reset(stream, NOT_STARTED)
        is_whole = flags & END
        if not is_whole and lane.is_retired:
            # The rest of the body may have been cut off by the end of reading; what was not started is not begun then.
            lane.read_rest()
            if not lane.has_whole_body(stream):
                return lane.send_reset(stream, NOT_STARTED)
        try:
            environ = read_head(head, self.constants)
            environ["wsgi.input"] = open_body(lane, stream, first, is_whole, environ.get("CONTENT_LENGTH"))
        except ProtocolError as error:
            self.log("request refused, the gateway broke a rule: %s" % error)
            return lane.send_reset(stream, PROTOCOL, str(error).encode("utf-8", "backslashreplace"))
        lane.started = stream
        Context.request_id = request_id = environ["ostler.request_id"]
        meter = self.meter
        meter.began = self.board.busy(stream, request_id.encode("latin-1"))
        if not meter.began:  # it was taken back
            return lane.send_reset(stream, NOT_STARTED)
        if meter.watched:
            meter.watch()
        Exchange(lane, stream, self.log, meter).run(self.app, environ)

    def idle(self):
        Context.request_id = ""
        self.board.idle()

    def log(self, text):
        self.control.errors.write(text if text.endswith("\n") else text + "\n")
