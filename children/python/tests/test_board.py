"""The page that a child shares with its runner."""

import mmap
import os
import struct
import tempfile
import unittest

from ostler_child.board import Board

LOOKS = 200000


def looks(page):
    """Whether the stream that shows ever goes back, as seen by another process."""
    last = 0
    for _ in range(LOOKS):
        stream, = struct.unpack_from("=I", page, 8)
        if stream < last:
            return True
        last = stream
    return False


class BoardTest(unittest.TestCase):
    def test_what_has_begun_shows_in_one_piece(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(4096)
            board = Board(file.fileno())
            board.serve(1)
            reader = os.fork()
            if not reader:
                os._exit(looks(mmap.mmap(file.fileno(), 4096)))
            ended, stream = 0, 0
            while not ended:
                for _ in range(1000):
                    stream += 1
                    board.busy(stream, b"id")
                ended, status = os.waitpid(reader, os.WNOHANG)
            self.assertEqual(status, 0, "it was seen to go back")

    def test_what_a_fork_of_the_app_begins_is_not_shown_as_its_parents(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(4096)
            page = mmap.mmap(file.fileno(), 4096)
            board = Board(file.fileno())
            board.serve(1)
            board.busy(7, b"id")
            shown = page[:]
            board.after_fork()
            board.busy(8, b"of the fork")
            board.draining()
            self.assertEqual(page[:], shown)
            page.close()


if __name__ == "__main__":
    unittest.main()
