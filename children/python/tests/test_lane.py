"""Lanes: what waits on them, what is given back, how they end and are replaced."""

import json
import unittest

from .harness import Child, data, request, reset, wire


class LaneTest(unittest.TestCase):
    def test_eight_requests_in_one_write_are_answered_in_order(self):
        with Child("shop:app") as child:
            child.lane.send(b"".join(request(i, "/echo", method="POST", body=b"%d" % i, length=1) for i in range(1, 9)))
            self.assertEqual([child.answer(i).body for i in range(1, 9)], [b"%d" % i for i in range(1, 9)])

    def test_queued_request_that_was_given_up_is_not_started(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/closing") + request(2, "/closing") + request(3, "/hello")
                            + reset(2, wire.CLIENT_GONE) + reset(3, wire.RECALL))
            self.assertEqual(child.answer(1).body, b"ab")
            self.assertEqual([child.answer(i).reset for i in (2, 3)], [wire.NOT_STARTED] * 2)
            child.stream = 3
            self.assertEqual(json.loads(child.get("/closed_list").body), ["closing"])

    def test_recall_of_a_running_request_changes_nothing(self):
        with Child("shop:app") as child:
            stream = child.open("/echo_all", method="POST", end=False)
            child.until_busy(stream)
            child.lane.send(reset(stream, wire.RECALL) + data(stream, b"abc", True))
            self.assertEqual(child.answer(stream).body, b"abc")

    def test_late_frames_of_finished_streams_are_skipped(self):
        with Child("shop:app") as child:
            child.get("/hello")
            child.lane.send(reset(1, wire.CLIENT_GONE) + data(1, b"late") + wire.frame(wire.WIN, stream=1, aux=5))
            self.assertEqual(child.get("/hello").body, b"Hello")

    def test_lane_is_replaced_after_its_end(self):
        with Child("shop:app") as child:
            child.get("/hello")
            child.lane.close()
            child.new_lane()
            child.stream = 0
            self.assertEqual(child.get("/hello").body, b"Hello")

    def test_lane_is_replaced_while_the_old_one_stands(self):
        with Child("shop:app") as child:
            child.get("/hello")
            old = child.lane
            child.new_lane()
            child.stream = 0
            self.assertEqual(child.get("/hello").body, b"Hello")
            last = old.frame()
            self.assertEqual((last.kind, last.stream, last.aux), (wire.RESET, 0, 1))
            self.assertIsNone(old.frame())
            old.close()

    def test_gateway_that_dies_in_a_request_costs_only_that_request(self):
        with Child("shop:app") as child:
            stream = child.open("/truncated", method="POST", body=b"abc", end=False)
            child.until_busy(stream)
            child.lane.close()
            child.log("the gateway went away before the end of the body")
            child.new_lane()
            child.stream = 0
            self.assertEqual(json.loads(child.get("/closed_list").body), ["BodyTruncated"])
            stream = child.open("/endless")
            child.lane.frame()
            child.lane.close()
            child.new_lane()
            child.stream = 0
            self.assertEqual(json.loads(child.get("/closed_list").body), ["endless"])

    def test_child_without_a_lane_waits_for_one(self):
        with Child("shop:app", lane=False) as child:
            child.new_lane()
            self.assertEqual(child.get("/hello").body, b"Hello")

    def test_broken_rules_end_the_lane_not_the_child(self):
        for broken in (
                wire.HEADER.pack(wire.FRAME_MAX + 1, wire.REQ, 0, 0, 9, 0),
                wire.HEADER.pack(4, wire.REQ, 0, 0, 9, 9) + b"abcd",
                wire.HEADER.pack(0, 0x7F, wire.CRITICAL, 0, 9, 0),
                request(1, "/hello")):
            with Child("shop:app") as child:
                child.get("/hello")
                child.lane.send(broken)
                child.log("the gateway broke a rule")
                self.assertEqual([f.kind for f in child.lane.rest()], [wire.RESET])
                child.lane.close()
                child.new_lane()
                child.stream = 0
                self.assertEqual(child.get("/hello").body, b"Hello")

    def test_bad_heads_refuse_the_request_only(self):
        with Child("shop:app") as child:
            child.lane.send(wire.frame(wire.REQ, 0, 1, wire.END, head=b":id\0x\0REQUEST_METHOD"))
            child.lane.send(request(2, "/hello", length="5x"))
            child.lane.send(request(3, "/hello"))
            self.assertEqual([child.answer(i).reset for i in (1, 2)], [wire.PROTOCOL] * 2)
            self.assertEqual(child.answer(3).body, b"Hello")

    def test_request_opened_before_the_body_ended_ends_the_lane(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/truncated", method="POST", end=False) + request(2, "/hello"))
            self.assertEqual(child.answer(1).reset, wire.APP_ERROR)
            self.assertEqual(child.answer(2).reset, wire.NOT_STARTED)
            child.log("opened before the body of 1 ended")
