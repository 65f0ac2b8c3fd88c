"""What the child writes: whole frames, whoever else wants to write or ends it meanwhile."""

import socket
import threading
import unittest

from ostler_child.control import Control, Lanes, Stop
from ostler_child.lane import Lane, LaneGone

from .harness import Socket, wire


class Slow:
    """A socket that takes a few bytes at a time; something else happens within the first write."""

    def __init__(self):
        self.taken = b""
        self.meanwhile = None

    def settimeout(self, _):
        pass

    def setsockopt(self, *_):
        pass

    def send(self, view):
        self.taken += bytes(view[:3])
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return min(3, len(view))


class SendTest(unittest.TestCase):
    def setUp(self):
        self.sock = Slow()
        self.control = Control(self.sock, Lanes(), 1)

    def test_what_a_signal_handler_prints_is_never_written_into_a_frame(self):
        said = []
        self.sock.meanwhile = lambda: said.append(self.control.send(b"handler"))
        self.assertTrue(self.control.send(b"a whole frame"))
        self.assertEqual((self.sock.taken, said), (b"a whole frame", [False]))
        self.assertTrue(self.control.send(b"; the next"))
        self.assertEqual(self.sock.taken, b"a whole frame; the next")

    def test_the_end_waits_for_the_frame_that_is_being_written(self):
        self.sock.meanwhile = self.control.stop
        with self.assertRaises(Stop):
            self.control.send(b"a whole frame")
        self.assertEqual(self.sock.taken, b"a whole frame")

    def test_only_the_main_thread_is_ended(self):
        thread = threading.Thread(target=self.control.stop)
        thread.start()
        thread.join()
        self.assertFalse(self.control.is_stopping)


class LaneTest(unittest.TestCase):
    def test_nothing_follows_half_a_frame(self):
        def handler():
            raise KeyboardInterrupt

        sock = Slow()
        lane = Lane(sock)
        sock.meanwhile = handler
        with self.assertRaises(KeyboardInterrupt):
            lane.send(b"a whole frame")
        for send in (lambda: lane.send(b"another"), lambda: lane.send_data(1, 0, memoryview(b"more"))):
            with self.assertRaises(LaneGone):
                send()
        lane.send_reset(1)
        lane.send_free(1, 1)
        self.assertEqual(sock.taken, b"a w")

    def test_a_request_that_was_begun_and_has_no_answer_is_ended_with_its_lane(self):
        mine, theirs = socket.socketpair()
        lane = Lane(theirs)
        lane.started = 1
        lane.close()
        gateway = Socket(mine)
        self.assertEqual([(f.kind, f.stream, f.code) for f in gateway.rest()],
                         [(wire.RESET, 1, wire.APP_ERROR), (wire.RESET, 0, wire.DRAINING)])
        gateway.close()


if __name__ == "__main__":
    unittest.main()
