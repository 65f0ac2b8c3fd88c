"""The loop of the main thread: the next request of a lane, its answer, the next."""

from .cost import Meter
from .logs import Context
from .wire import END, NOT_STARTED, PROTOCOL, REQ, ProtocolError
from .wsgi import serve_one, template


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
        stream = item[3]
        if lane.resets and stream in lane.resets:
            return lane.send_reset(stream, NOT_STARTED)
        if not item[1] & END and lane.is_retired:
            # The rest of the body may have been cut off by the end of reading; what was not started is not begun then.
            lane.read_rest()
            if not lane.has_whole_body(stream):
                return lane.send_reset(stream, NOT_STARTED)
        try:
            serve_one(self.app, lane, item, self.constants, self.log, self.begin, self.meter)
        except ProtocolError as error:
            self.log("request refused, the gateway broke a rule: %s" % error)
            lane.send_reset(stream, PROTOCOL, str(error).encode("utf-8", "backslashreplace"))

    def begin(self, stream, request_id):
        """False when the stream was taken back."""
        Context.request_id = request_id
        meter = self.meter
        meter.began = now = self.board.busy(stream, request_id.encode("latin-1"))
        if meter.watched:
            meter.watch()
        return now

    def idle(self):
        Context.request_id = ""
        self.board.idle()

    def log(self, text):
        self.control.errors.write(text if text.endswith("\n") else text + "\n")
