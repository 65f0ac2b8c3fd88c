"""What the child writes to its runner: whole frames, whoever else wants to write or ends it meanwhile."""

import unittest

from ostler_child.control import Control, Lanes, Stop


class Slow:
    """A socket that takes a few bytes at a time; something else happens within the first write."""

    def __init__(self):
        self.taken = b""
        self.meanwhile = None

    def settimeout(self, _):
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


if __name__ == "__main__":
    unittest.main()
