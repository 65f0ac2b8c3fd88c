"""The file that an app reads a request's body from."""

import unittest

from ostler_child.body import open_body


class Lane:
    """A lane on which the next request's body waits."""

    started = finished = 1

    def body_frame(self, _):
        raise AssertionError("the next request's frames are taken")


class OverTest(unittest.TestCase):
    def test_the_body_of_a_request_that_is_over_takes_nothing_of_the_next(self):
        # A thread of the app that goes on reading would otherwise take frames from the lane beside the main thread.
        for length in (None, "5"):
            body = open_body(Lane(), 1, b"", False, length)
            with self.assertRaisesRegex(ValueError, "is over"):
                body.read()


if __name__ == "__main__":
    unittest.main()
