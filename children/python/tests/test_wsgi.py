"""What PEP 3333 asks of a server, one test a rule; the apps are in apps/shop.py."""

import json
import unittest

from .harness import Child, data, request, reset, wire


class SharedChild(unittest.TestCase):
    """One child for all tests of a class: whatever a test does to it must not poison the next."""

    @classmethod
    def setUpClass(cls):
        cls.child = Child("shop:app")

    @classmethod
    def tearDownClass(cls):
        cls.child.__exit__()

    def get(self, path, **options):
        return self.child.get(path, **options)

    def closed(self):
        """What was closed since the last question."""
        return json.loads(self.get("/closed_list").body)

    def assert_fine(self):
        self.assertEqual(self.get("/hello").body, b"Hello")


class EnvironTest(SharedChild):
    def environ(self, **options):
        return json.loads(self.get("/environ_json", **options).body)

    def test_cgi_names_arrive_as_the_gateway_gave_them(self):
        env = self.environ(env=[("CONTENT_TYPE", "text/x"), ("HTTP_COOKIE", "a=1; b=2")])
        self.assertEqual(env["SERVER_PORT"], "8443")
        self.assertEqual(env["REMOTE_ADDR"], "192.0.2.7")
        self.assertEqual(env["HTTP_COOKIE"], "a=1; b=2")
        self.assertEqual(env["CONTENT_TYPE"], "text/x")
        self.assertEqual([k for k in env if k.startswith(":")], [])

    def test_wsgi_names_are_set(self):
        env = self.environ()
        self.assertEqual(env["wsgi.url_scheme"], "https")
        self.assertEqual(env["wsgi.version"], [1, 0])
        self.assertIs(env["wsgi.multithread"], False)
        self.assertIs(env["wsgi.multiprocess"], True)
        self.assertIs(env["wsgi.run_once"], False)
        self.assertIs(env["wsgi.input_terminated"], True)

    def test_queue_time_and_request_id_are_given(self):
        env = self.environ(id="abc")
        self.assertEqual(env["ostler.queue_us"], 42)
        self.assertEqual(env["ostler.request_id"], "abc")

    def test_path_bytes_are_latin_1_text(self):
        answer = self.get("/raw/environ_json", env=[("HTTP_X_RAW", "\xc3\xa9\xff")])
        self.assertEqual(json.loads(answer.body)["HTTP_X_RAW"], "\xc3\xa9\xff")

    def test_unknown_pseudo_names_are_skipped(self):
        env = self.environ(pseudo=[(":app", "shop"), (":new", "thing")])
        self.assertEqual([k for k in env if k.startswith(":")], [])
        self.assertEqual(env["REQUEST_METHOD"], "GET")

    def test_one_request_leaves_nothing_in_the_next_environ(self):
        self.environ(env=[("HTTP_X_ONCE", "1")])
        self.assertNotIn("HTTP_X_ONCE", self.environ())


class BodyTest(SharedChild):
    def test_small_body_comes_in_the_first_frame(self):
        self.assertEqual(self.get("/echo", method="POST", body=b"abc", length=3).body, b"abc")

    def test_a_length_that_is_no_number_ends_its_request_alone(self):
        for length in ("\xb2", "-1", "1_0", "x"):
            self.assertEqual(self.get("/echo", method="POST", body=b"abc", length=length).reset, wire.PROTOCOL, length)
        self.assertEqual(self.get("/echo", method="POST", body=b"abc", length=3).body, b"abc")

    def test_200_kib_come_back_over_several_frames(self):
        body = bytes(range(256)) * 800
        stream = self.child.open("/echo", method="POST", body=body[:1000], end=False, length=len(body))
        for at in range(1000, len(body), 50000):
            self.child.lane.send(data(stream, body[at:at + 50000], at + 50000 >= len(body)))
        answer = self.child.answer(stream)
        self.assertEqual(answer.body, body)
        self.assertGreater(len(answer.frames), 2)
        self.assertLessEqual(max(len(f.body) for f in answer.frames), wire.DATA_CHUNK)

    def test_a_frame_of_the_largest_size_is_taken(self):
        body = b"m" * (wire.FRAME_MAX - 4096)
        self.assertEqual(self.get("/echo", method="POST", body=body, length=len(body)).body, body)

    def test_chunked_body_without_length_is_read_to_its_end(self):
        stream = self.child.open("/echo_all", method="POST", body=b"one ", end=False)
        self.child.lane.send(data(stream, b"two ") + data(stream, b"") + data(stream, b"three") + data(stream, end=True))
        self.assertEqual(self.child.answer(stream).body, b"one two three")

    def test_trailers_end_a_body(self):
        stream = self.child.open("/echo_all", method="POST", body=b"one", end=False)
        self.child.lane.send(wire.frame(wire.TRAIL, 0, stream, head=wire.pairs(("x-sum", "1"))))
        self.assertEqual(self.child.answer(stream).body, b"one")

    def lines_of(self, pieces, length=None):
        stream = self.child.open("/lines", method="POST", body=pieces[0], end=len(pieces) == 1, length=length)
        for i, piece in enumerate(pieces[1:], 2):
            self.child.lane.send(data(stream, piece, i == len(pieces)))
        return eval(self.child.answer(stream).body)

    def test_lines_keep_their_ends_and_honour_sizes(self):
        text = b"first\nsecond\nthird\nfourth\nlast without end"
        want = [b"first\n", b"sec", b"ond\n", [b"third\n"], [b"fourth\n", b"last without end"], b"", b""]
        self.assertEqual(self.lines_of([text]), want)
        self.assertEqual(self.lines_of([text], len(text)), want)
        self.assertEqual(self.lines_of([text[i:i + 3] for i in range(0, len(text), 3)]), want)
        self.assertEqual(self.lines_of([text[:9], text[9:]], len(text)), want)

    def test_reading_is_bounded_by_the_length(self):
        stream = self.child.open("/lines", method="POST", body=b"a\nb", end=False, length=3)
        self.assertEqual(eval(self.child.answer(stream).body)[:3], [b"a\n", b"b", b""])
        self.child.lane.send(data(stream, end=True))
        stream = self.child.open("/lines", method="POST", body=b"a\n", end=False, length=3)
        self.child.lane.send(data(stream, b"b, and more than was announced", True))
        self.assertEqual(eval(self.child.answer(stream).body)[:3], [b"a\n", b"b", b""])
        self.assert_fine()

    def test_unread_body_does_not_poison_the_next_request(self):
        stream = self.child.open("/ignore", method="POST", body=b"x" * 100, end=False, length=200000)
        self.assertEqual(self.child.answer(stream).body, b"ignored")
        self.child.lane.send(data(stream, b"y" * 60000) + data(stream, b"z" * 60000))
        self.child.lane.send(reset(stream, wire.CLIENT_GONE))
        self.assert_fine()

    def test_unread_body_that_was_queued_is_skipped(self):
        self.child.stream += 1
        stream = self.child.stream
        self.child.lane.send(request(stream, "/ignore", method="POST", end=False) + data(stream, b"1") + data(stream, b"2", True))
        self.assertEqual(self.child.answer(stream).body, b"ignored")
        self.assert_fine()

    def test_body_with_fewer_bytes_than_its_length_raises(self):
        answer = self.get("/truncated", method="POST", body=b"abc", length=10)
        self.assertEqual(answer.reset, wire.APP_ERROR)
        self.assertIn("7 bytes before", answer.text)
        stream = self.child.open("/truncated", method="POST", body=b"abc", end=False, length=10)
        self.child.lane.send(data(stream, b"de", True))
        self.assertEqual(self.child.answer(stream).reset, wire.APP_ERROR)
        self.assertEqual(self.closed(), ["BodyTruncated"] * 2)

    def test_body_that_the_gateway_gave_up_raises(self):
        stream = self.child.open("/truncated", method="POST", body=b"abc", end=False)
        self.child.until_busy(stream)
        self.child.lane.send(reset(stream, wire.CLIENT_GONE))
        answer = self.child.answer(stream)
        self.assertEqual((answer.reset, answer.text), (wire.APP_ERROR, ""))
        self.assertEqual(self.closed(), ["RequestAborted"])

    def test_answer_may_begin_before_the_body_is_read(self):
        stream = self.child.open("/first_then_rest", method="POST", body=b"12345", end=False)
        self.assertEqual(self.child.lane.frame().body, b"12345")
        self.child.lane.send(data(stream, b"67890", True))
        self.assertEqual(self.child.lane.frame().body, b"67890")
        self.assertTrue(self.child.lane.frame().ended)
        self.assertEqual(self.child.lane.frame().kind, wire.FREE)


class AnswerTest(SharedChild):
    def test_small_answer_is_one_frame(self):
        answer = self.get("/raw/hello")
        self.assertEqual(len(answer.frames), 1)
        self.assertEqual((answer.status, answer.body), (200, b"Hello"))
        self.assertEqual(answer.headers, [("Content-Type", "text/plain")])

    def test_sized_answer_of_a_framework_is_one_frame(self):
        answer = self.get("/django_like")
        self.assertEqual((len(answer.frames), answer.body), (1, b"hello"))

    def test_generator_pieces_are_sent_at_once(self):
        answer = self.get("/raw/generator")
        self.assertEqual([f.body for f in answer.frames], [b"one ", b"two", b""])

    def test_sized_generator_ends_with_its_last_piece_and_runs_to_its_end(self):
        self.closed()
        answer = self.get("/raw/generator_sized")
        self.assertEqual([(f.body, f.ended) for f in answer.frames], [(b"one ", False), (b"two", True)])
        self.assertEqual(self.closed(), ["after the last chunk"])

    def test_answers_under_the_validator(self):
        self.assertEqual(self.get("/generator").body, b"one two")
        self.assertEqual(self.get("/generator_sized").body, b"one two")
        self.assertEqual(self.get("/echo_all", method="POST", body=b"abc").body, b"abc")

    def test_close_is_called_once(self):
        self.closed()
        for path in ("/closing", "/closing_sized", "/raw/closing", "/raw/closing_sized"):
            self.assertEqual(self.get(path).body, b"ab")
        self.assertEqual(self.closed(), ["closing", "closing_sized"] * 2)
        for path in ("/closing", "/raw/closing_sized"):
            self.assertEqual(self.get(path, method="HEAD").body, b"")
        self.assertEqual(self.closed(), ["closing", "closing_sized"])
        self.assertEqual(self.get("/closing_fails").reset, wire.APP_ERROR)
        self.assertEqual(self.closed(), ["closing_fails"])

    def test_close_is_called_when_the_client_is_gone(self):
        self.closed()
        stream = self.child.open("/endless")
        self.assertEqual(len(self.child.lane.frame().body), 1000)
        self.child.lane.send(reset(stream, wire.CLIENT_GONE))
        last = self.child.lane.frame()
        while last.kind == wire.DATA and not last.ended:
            last = self.child.lane.frame()
        self.assertEqual((last.kind, last.code, last.body), (wire.RESET, wire.APP_ERROR, b""))
        self.assertEqual(self.child.lane.frame().kind, wire.FREE)
        self.assertEqual(self.closed(), ["endless"])

    def test_error_before_the_head_is_a_reset_with_its_traceback(self):
        answer = self.get("/error")
        self.assertEqual((answer.reset, answer.status), (wire.APP_ERROR, None))
        self.assertIn("RuntimeError: kaputt \\udc80 ü", answer.text)
        self.assertIn("shop.py", answer.text)
        self.assertNotIn("ostler_child", answer.text)
        frame = self.child.log("RuntimeError: kaputt")
        self.assertEqual(frame.fields[":id"], "req-%d" % answer.stream)
        self.assert_fine()

    def test_error_after_the_head_is_a_reset(self):
        answer = self.get("/error_after_head")
        self.assertEqual((answer.status, answer.body, answer.reset), (200, b"begun", wire.APP_ERROR))
        self.assertIn("too late", answer.text)
        self.assert_fine()

    def test_exc_info_replaces_a_head_that_was_not_sent(self):
        answer = self.get("/exc_info_before")
        self.assertEqual((answer.status, answer.body, answer.header("x-old")), (500, b"error page", None))

    def test_exc_info_raises_after_the_head(self):
        answer = self.get("/exc_info_after")
        self.assertEqual((answer.status, answer.body, answer.reset), (200, b"begun", wire.APP_ERROR))
        self.assertIn("in the middle", answer.text)

    def test_start_response_twice_is_an_error(self):
        self.assertIn("second time without exc_info", self.get("/twice").text)

    def test_missing_start_response_is_an_error(self):
        self.assertIn("before it called start_response", self.get("/never_started").text)

    def test_app_that_returns_none_is_an_error(self):
        self.assertIn("TypeError", self.get("/none").text)
        self.assert_fine()

    def test_write_sends_before_what_is_returned(self):
        answer = self.get("/write")
        self.assertEqual([f.body for f in answer.frames], [b"written ", b"twice ", b"and returned"])

    def test_text_is_refused_as_body(self):
        self.assertIn("must be bytes, not str", self.get("/text_body").text)

    def test_sys_exit_in_a_request_does_not_end_the_child(self):
        self.assertIn("SystemExit: 3", self.get("/exits").text)
        self.assert_fine()

    def test_large_answer_comes_whole(self):
        answer = self.get("/big?5000")
        self.assertEqual(answer.body, bytes(range(256)) * 20000)
        self.assertTrue(answer.frames[-1].body)
        answer = self.get("/big_list?300")
        self.assertEqual(answer.body, b"x" * 300000)
        self.assertTrue(answer.frames[-1].body)


class LengthTest(SharedChild):
    def test_head_answers_have_no_body_but_its_length(self):
        for app in ("sized", "sized_generator"):
            answer = self.get("/%s?200,5,hello" % app, method="HEAD")
            self.assertEqual((answer.status, answer.body, answer.header("Content-Length")), (200, b"", "5"))
            self.assertEqual([f.flags & ~wire.HOLD for f in answer.frames], [wire.END | wire.BODYLESS])
        answer = self.get("/sized?200,5,", method="HEAD")
        self.assertEqual((answer.body, answer.header("Content-Length")), (b"", "5"))

    def test_304_keeps_its_length_and_204_does_not(self):
        answer = self.get("/sized?304,5,hello")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Length")), (304, b"", "5"))
        answer = self.get("/sized?304,5,")
        self.assertEqual((answer.status, answer.header("Content-Length"), answer.reset), (304, "5", None))
        answer = self.get("/sized?204,5,hello")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Length")), (204, b"", None))
        self.assertEqual(answer.header("X-Kept"), "1")

    def test_too_long_a_body_is_cut_and_logged_once(self):
        for app in ("sized", "sized_generator"):
            answer = self.get("/%s?200,3,hello" % app, id="cut-" + app)
            self.assertEqual((answer.body, answer.reset), (b"hel", None))
            frame = self.child.log("more body than its Content-Length of 3")
            self.assertEqual(frame.fields[":id"], "cut-" + app)
            self.child.logs.clear()

    def test_too_short_a_body_is_a_reset(self):
        for path in ("/sized?200,9,hello", "/sized_generator?200,9,hello", "/sized?200,9,"):
            answer = self.get(path)
            self.assertEqual(answer.reset, wire.APP_ERROR)
            self.assertIn("Content-Length of 9", answer.text)

    def test_empty_body_is_fine(self):
        for path in ("/sized?200,0,", "/sized?200,,", "/sized_generator?200,0,", "/sized_generator?200,,"):
            answer = self.get(path)
            self.assertEqual((answer.status, answer.body, len(answer.frames)), (200, b"", 1))


class HeadersTest(SharedChild):
    def headers(self, headers):
        return self.get("/headers?" + ascii(headers))

    def test_names_and_values_arrive_as_given_and_in_order(self):
        given = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Empty", ""), ("X-Latin", "gr\xfc\xdfe")]
        self.assertEqual(self.headers(given).headers, given)
        self.assertEqual(self.headers([]).headers, [])

    def test_headers_of_any_iterable_are_sent(self):
        pairs = "[('X-A', '1'), ('X-B', '2')]"
        for given in ("iter(%s)", "(pair for pair in %s)", "map(tuple, %s)", "tuple(%s)", "dict(%s).items()"):
            answer = self.get("/headers?" + given % pairs)
            self.assertEqual(answer.headers, [("X-A", "1"), ("X-B", "2")], given)

    def test_equal_lengths_are_sent_once(self):
        given = [("Content-Length", "0"), ("X-A", "1"), ("content-length", "0")]
        self.assertEqual(self.headers(given).headers, [("X-A", "1"), ("Content-Length", "0")])

    def test_a_tab_in_a_value_is_fine(self):
        self.assertEqual(self.headers([("X-Tab", "a\tb")]).headers, [("X-Tab", "a\tb")])

    def test_bad_headers_are_named(self):
        for headers, text in (
                ([("X-A", "1"), ("X-Bad", "a\r\nSet-Cookie: b")], "'X-Bad' has a line break"),
                ([("X-Bad", "a\nb")], "'X-Bad' has a line break"),
                ([("X-Bad", "a\x1bb")], "'X-Bad' has a line break, NUL or"),
                ([("X-Bad", "a\x7f")], "'X-Bad' has a line break, NUL or"),
                ([("X-Bad", "a\0b")], "'X-Bad' has a line break, NUL or"),
                ([("X-Bad", "\u20ac")], "'X-Bad' has characters outside latin-1"),
                ([("X-Bad", 5)], "'X-Bad' must be a str, not 5"),
                ([("X-Bad", b"bytes")], "'X-Bad' must be a str"),
                ([("X Bad", "1")], "'X Bad' is not a valid header name"),
                ([("", "1")], "is not a valid header name"),
                ([("X-Bad:", "1")], "is not a valid header name"),
                ([("X-Bad\n", "1")], "is not a valid header name"),
                ([(b"X-Bad", "1")], "must be str"),
                ([("Content-Length", "5x")], "Content-Length must be"),
                ([("Content-Length", "-1")], "Content-Length must be"),
                ([("Content-Length", "2"), ("content-length", "3")], "two different Content-Length")):
            answer = self.headers(headers)
            self.assertEqual(answer.reset, wire.APP_ERROR, headers)
            self.assertIn(text, answer.text)
        self.assert_fine()

    def test_bad_statuses_are_refused(self):
        for status in ("OK", "20 OK", "2000 OK", "200OK", "200 a\r\nb", "103 Early Hints", "600 Far", 200, b"200 OK", ["200"]):
            answer = self.get("/status?" + repr(status))
            self.assertEqual(answer.reset, wire.APP_ERROR, status)
            self.assertIn("the status must", answer.text)
        self.assertEqual(self.get("/status?'299 Odd but fine'").status, 299)
        self.assertEqual(self.get("/status?'404'").status, 404)


class FileTest(SharedChild):
    def test_memory_file_is_sent_from_where_it_stands(self):
        self.assertEqual(self.get("/file_memory").body, b"456789")

    def test_disk_file_is_sent_from_where_it_stands(self):
        with open(__file__.replace("test_wsgi", "apps/shop"), "rb") as f:
            text = f.read()
        self.assertEqual(self.get("/file_disk").body, text[10:])
        self.assertEqual(self.get("/file_disk", method="HEAD").body, b"")

    def test_length_bounds_a_file_without_a_complaint(self):
        self.child.logs.clear()
        answer = self.get("/file_disk?7")
        self.child.ctl.send(wire.frame(wire.PING))
        self.child.control_frame(wire.PONG)
        self.assertEqual([f.body for f in self.child.logs if b"Content-Length" in f.body], [])
        self.assertEqual((len(answer.body), answer.reset), (7, None))
        self.assertEqual(self.get("/file_disk?9999999").reset, wire.APP_ERROR)

    def test_file_is_closed_once(self):
        self.closed()
        self.assertEqual(self.get("/file_closes").body, b"content")
        self.assertEqual(self.get("/file_closes", method="HEAD").body, b"")
        self.assertEqual(self.closed(), ["file", "file"])
