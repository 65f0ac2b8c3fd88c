"""When a child is free: after close(), with what the run cost; and what is taken back while it is not."""

import time
import unittest

from ostler_child import wire

from .harness import Child, apps_in, data, request, until

APP = """
import time

class Result:
    def __init__(self, seconds):
        self.seconds = seconds
    def __iter__(self):
        return iter([b"whole"])
    def close(self):
        time.sleep(self.seconds)

def after_the_last(seconds):
    yield b"whole"
    time.sleep(seconds)

def busy(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def app(environ, start_response):
    kind, _, seconds = environ["QUERY_STRING"].partition(",")
    seconds = float(seconds or 0)
    write = start_response("200 OK", [("Content-Length", "5")])
    if kind == "close":
        return Result(seconds)
    if kind == "generator":
        return after_the_last(seconds)
    if kind == "write":
        write(b"whole")
        time.sleep(seconds)
        return []
    if kind == "sleep":
        time.sleep(seconds)
    if kind == "busy":
        busy(seconds)
    return [b"whole"]
"""


class FreeTest(unittest.TestCase):
    def setUp(self):
        self.root = apps_in(slow=APP)
        self.child = Child("slow:app", root=self.root.__enter__())
        self.lane = self.child.lane

    def tearDown(self):
        self.child.__exit__()
        self.root.__exit__(None, None, None)

    def test_the_answer_is_whole_before_the_app_is_done(self):
        for kind in ("close", "generator", "write"):
            began = time.monotonic()
            stream = self.child.open("/?%s,0.5" % kind)
            last = self.lane.frame()
            self.assertTrue(last.ended and last.flags & wire.HOLD, (kind, last))
            self.assertEqual(self.child.board_now()[1:], (stream, 2), "the board says busy until it is free")
            free = self.lane.frame()
            self.assertEqual((free.kind, free.stream), (wire.FREE, stream), kind)
            self.assertGreaterEqual(time.monotonic() - began, 0.5)
            self.assertGreaterEqual(free.aux, 500000, "waiting in close() costs")

    def test_a_quick_list_is_one_frame(self):
        answers = [self.child.get("/") for _ in range(20)]
        self.assertTrue(any(a.cost is None for a in answers), "no FREE when nothing follows the end")

    def test_a_run_that_lost_the_processor_costs_what_it_used(self):
        self.child.get("/?sleep,0.01")  # from here on runs are looked at closely
        cost = self.child.get("/?busy,0.05").cost
        self.assertGreaterEqual(cost, 49000)
        cost = self.child.get("/?sleep,0.05").cost
        self.assertGreaterEqual(cost, 50000, "a handler that waits is slow, however little it computes")

    def test_what_was_taken_back_is_not_begun(self):
        self.lane.send(request(1, "/?sleep,0.5") + request(2) + request(3))
        self.child.until_busy(1)
        self.lane.send(request(4))
        self.child.bar(1, 4)
        self.lane.send(request(5))
        self.assertEqual(self.child.answer(1).body, b"whole")
        self.assertEqual([self.child.answer(stream).reset for stream in (2, 3, 4)], [wire.NOT_STARTED] * 3)
        self.assertEqual(self.child.answer(5).body, b"whole")
        self.assertEqual(self.child.begun(), (1, 5))

    def test_what_waits_behind_a_close_is_not_begun(self):
        self.lane.send(request(1, "/?close,0.5") + request(2))
        self.assertTrue(self.lane.frame().ended)
        self.child.bar(1, 2)
        self.assertEqual(self.lane.frame().kind, wire.FREE)
        self.assertEqual(self.child.answer(2).reset, wire.NOT_STARTED)

    def test_a_body_that_was_taken_back_is_skipped(self):
        self.child.bar(1, 1)
        self.lane.send(request(1, method="POST", end=False) + data(1, b"some") + data(1, b"more", True) + request(2))
        self.assertEqual(self.child.answer(1).reset, wire.NOT_STARTED)
        self.assertEqual(self.child.answer(2).body, b"whole")

    def test_the_board_tells_what_was_begun_though_the_child_is_idle(self):
        self.lane.send(request(3))
        self.child.answer(3)
        until(lambda: self.child.board_now()[2] == 1, "idle")
        self.assertEqual(self.child.begun(), (1, 3))

    def test_the_next_lane_has_numbers_of_its_own(self):
        self.child.bar(1, 1 << 31)
        self.lane.send(request(7))
        self.assertEqual(self.child.answer(7).reset, wire.NOT_STARTED)
        self.lane.close()
        self.child.new_lane(2)
        self.lane = self.child.lane
        until(lambda: self.child.begun() == (2, 0), "nothing of it was begun")
        self.lane.send(request(1))
        self.assertEqual(self.child.answer(1).body, b"whole")
        self.child.bar(2, 2)
        self.lane.send(request(2) + request(3))
        self.assertEqual(self.child.answer(2).reset, wire.NOT_STARTED)
        self.assertEqual(self.child.answer(3).body, b"whole")

    def test_a_close_that_fails_after_the_answer_adds_nothing_to_it(self):
        source = """
class Body:
    def __iter__(self):
        return iter([b"whole"])
    def close(self):
        raise RuntimeError("in close")
def app(environ, start_response):
    start_response("200 OK", [])
    return Body()
"""
        with apps_in(fails=source) as root, Child("fails:app", root) as child:
            for _ in range(2):
                answer = child.get()
                self.assertEqual((answer.status, answer.body, answer.reset), (200, b"whole", None))
            child.log("in close")
