"""A child's life beside the requests: boot, logs, stopping, what the runner sees."""

import json
import os
import signal
import struct
import sys
import unittest

from .harness import APPS, Child, PACKAGE, apps_in, data, request, until, wire


class BootTest(unittest.TestCase):
    def test_hello_and_ready_say_what_the_child_is(self):
        with Child("hello:app") as child:
            hello = child.hello
            self.assertEqual((hello.kind, hello.code), (wire.HELLO, 1))
            want = {":lang": "python", ":caps": "log,dump,board,cost,recall", ":kinds": "http", ":env": "cgi", ":lanes": "1", ":streams": "1"}
            want[":impl"] = "CPython %d.%d.%d" % sys.version_info[:3]
            self.assertEqual(hello.fields, want)
            self.assertEqual(child.ready.fields[":title"], "hello:app")
            self.assertGreater(int(child.ready.fields[":rss"]), 1 << 20)

    def failure(self, entry, root):
        with Child(entry, root, boot=False) as child:
            child.greet()
            frame = child.control_frame(wire.READY, wire.FAIL)
            self.assertEqual(frame.kind, wire.FAIL)
            self.assertEqual(child.wait(), 70)
            return frame.fields, frame.body.decode()

    def test_missing_package_is_named_with_its_cure(self):
        with apps_in(shopsite="import yaml_that_is_not_there.parts\n") as root:
            fields, trace = self.failure("shopsite:app", root)
        self.assertEqual((fields[":stage"], fields[":class"]), ("import", "ModuleNotFoundError"))
        self.assertIn("yaml_that_is_not_there", fields[":message"])
        self.assertIn("pip install yaml_that_is_not_there", fields[":hint"])
        self.assertIn("shopsite.py", trace)
        self.assertNotIn("importlib", trace)

    def test_missing_module_lists_what_is_there(self):
        with apps_in(shopsite="") as root:
            fields, _ = self.failure("shop_site:app", root)
        self.assertIn("there is no module 'shop_site'", fields[":hint"])
        self.assertIn("shopsite", fields[":hint"])

    def test_syntax_error_and_exit_at_import_are_failures(self):
        with apps_in(broken="def app(:\n", leaves="import sys; sys.exit(4)\n") as root:
            fields, trace = self.failure("broken:app", root)
            self.assertEqual(fields[":class"], "SyntaxError")
            self.assertIn("def app(:", trace)
            fields, _ = self.failure("leaves:app", root)
            self.assertEqual((fields[":class"], fields[":message"]), ("SystemExit", "4"))

    def test_missing_callable_lists_candidates(self):
        with apps_in(shopsite="import os\ndef application(e, s): pass\ndef helper(): pass\n") as root:
            fields, _ = self.failure("shopsite:app", root)
        self.assertEqual(fields[":stage"], "attribute")
        self.assertEqual(fields[":message"], "no attribute 'app' in module 'shopsite'")
        self.assertIn("application, helper", fields[":hint"])

    def test_what_is_no_wsgi_app_is_refused(self):
        with apps_in(shopsite="app = 5\nasync def asgi(scope, receive, send): pass\n") as root:
            self.assertIn("not callable", self.failure("shopsite:app", root)[0][":message"])
            self.assertIn("ASGI", self.failure("shopsite:asgi", root)[0][":message"])

    def test_factory_that_fails_says_so(self):
        with apps_in(shopsite="def make():\n    raise KeyError('NO_SECRET')\n") as root:
            fields, trace = self.failure("shopsite:make()", root)
        self.assertEqual((fields[":stage"], fields[":class"], fields[":message"]), ("factory", "KeyError", "'NO_SECRET'"))
        self.assertIn("raise KeyError", trace)

    def test_factories_dotted_names_and_packages_work(self):
        text = "class box:\n    from hello_ import app\n    make = staticmethod(lambda: __import__('hello_').app)\n"
        with apps_in(shopsite=text, hello_="def app(e, s):\n    s('200 OK', [])\n    return [b'yes']\n") as root:
            for entry in ("hello_:app", "shopsite:box.make()"):
                with Child(entry, root) as child:
                    self.assertEqual(child.get().body, b"yes", entry)

    def test_app_modules_may_have_the_names_of_ours(self):
        text = "import wire\ndef app(e, s):\n    s('200 OK', [])\n    return [wire.TEXT]\n"
        with apps_in(wsgi=text, wire="TEXT = b'mine'\n") as root, Child("wsgi:app", root) as child:
            self.assertEqual(child.get().body, b"mine")

    def test_nothing_of_ours_is_in_the_import_path_or_the_environment(self):
        with Child("shop:app") as child:
            state = json.loads(child.get("/state").body)
        self.assertEqual(state["path"][0], APPS)
        self.assertEqual([p for p in state["path"] if p in (PACKAGE, os.path.dirname(PACKAGE))], [])
        self.assertEqual(state["modules"], [])
        given = [name for name in state["env"] if name not in os.environ]
        self.assertEqual(given, ["OSTLER_APP", "OSTLER_CHILD", "OSTLER_ENTRY", "OSTLER_GENERATION"])

    def test_programs_and_forks_of_the_app_do_not_hold_our_sockets(self):
        with Child("shop:app") as child:
            self.assertEqual(child.get("/program").body, b"['0', '1', '2', '3']")
            self.assertEqual(child.get("/forks?30").status, 200)
            pid = int(child.get("/forks?30").body)
            child.stop()
            self.assertEqual(child.wait(), 0)
            # The forks live on; the channels end nevertheless.
            child.control_frame(wire.BYE)
            self.assertIsNone(child.ctl.frame())
            child.lane.rest()
            os.kill(pid, signal.SIGKILL)

    def test_started_by_hand_it_says_what_is_missing(self):
        import subprocess
        env = {k: v for k, v in os.environ.items() if not k.startswith("OSTLER")}
        done = subprocess.run([sys.executable, PACKAGE], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"started by an Ostler runner", done.stderr)
        self.assertNotIn(b"Traceback", done.stderr)


class LogTest(unittest.TestCase):
    def test_what_the_app_prints_comes_as_lines_with_its_request(self):
        with Child("shop:app") as child:
            child.get("/printing", id="id-1")
            child.log("1 False")
            lines = [(f.code, f.fields[":stream"], f.fields[":id"], f.body.decode()) for f in child.logs]
            self.assertEqual(lines[:5], [
                (1, "stdout", "id-1", "printed ünïcode \\udcff"), (1, "stdout", "id-1", "half line"),
                (2, "stderr", "id-1", "to stderr"), (2, "errors", "id-1", "to errors"), (1, "stdout", "id-1", "raw bytes")])
            self.assertEqual([len(text) for *_, text in lines[5:8]], [16384, 16384, 40000 - 32768])
            self.assertEqual(lines[8][3], "1 False")

    def test_lines_outside_of_requests_have_no_id(self):
        with apps_in(shopsite="print('at import')\ndef app(e, s):\n    pass\n") as root, Child("shopsite:app", root) as child:
            self.assertNotIn(":id", child.log("at import").fields)

    def test_unfinished_line_comes_at_the_end(self):
        with apps_in(shopsite="print('no newline', end='')\ndef app(e, s):\n    pass\n") as root:
            with Child("shopsite:app", root) as child:
                child.stop()
                child.log("no newline")

    def test_forks_of_the_app_print_to_the_real_descriptor(self):
        with Child("shop:app") as child:
            child.get("/forks")
            self.assertEqual(os.read(child.process.stdout.fileno(), 100), b"from the fork\n")

    def test_without_a_runner_lines_go_to_the_real_descriptor(self):
        with Child("shop:app") as child:
            stream = child.open("/sleep?0.3")
            child.log("sleeping now")
            child.ctl.close()
            self.assertEqual(child.answer(stream).body, b"slept")
            self.assertEqual(child.wait(), 0)
            self.assertEqual(child.process.stdout.read(), b"finally ran\n")


class StopTest(unittest.TestCase):
    def test_drain_finishes_what_runs_and_what_waits(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/sleep?0.3") + request(2, "/hello"))
            child.log("sleeping now")
            child.lane.send(request(3, "/hello"))
            child.stop()
            self.assertEqual([child.answer(i).body for i in (1, 2, 3)], [b"slept", b"Hello", b"Hello"])
            last = child.lane.frame()
            self.assertEqual((last.kind, last.code, last.stream, last.aux), (wire.RESET, wire.DRAINING, 0, 3))
            self.assertEqual(child.control_frame(wire.BYE).code, 4)
            self.assertEqual(child.wait(), 0)

    def test_drain_of_an_idle_child_ends_it_and_fails_later_writes(self):
        with Child("shop:app") as child:
            child.get("/hello")
            child.stop()
            self.assertEqual([(f.kind, f.aux) for f in child.lane.rest()], [(wire.RESET, 1)])
            self.assertEqual(child.wait(), 0)
            with self.assertRaises(BrokenPipeError):
                child.lane.send(request(2, "/hello"))

    def test_drain_waits_for_the_body_of_the_running_request(self):
        with Child("shop:app") as child:
            stream = child.open("/echo_all", method="POST", body=b"one ", end=False)
            child.until_busy(stream)
            child.stop()
            child.ctl.send(wire.frame(wire.PING, aux=9))
            child.control_frame(wire.PONG)  # so STOP has been taken
            child.lane.send(data(stream, b"two", True))
            self.assertEqual(child.answer(stream).body, b"one two")
            self.assertEqual(child.wait(), 0)

    def test_drain_serves_a_waiting_request_whose_body_is_still_in_the_socket(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/sleep?0.3") + request(2, "/echo_all", method="POST", body=b"half ", end=False))
            child.log("sleeping now")
            child.lane.send(data(2, b"whole", True))
            child.stop()
            self.assertEqual([child.answer(i).body for i in (1, 2)], [b"slept", b"half whole"])
            self.assertEqual(child.wait(), 0)

    def test_drain_gives_back_a_waiting_request_whose_body_is_not_there(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/sleep?0.3") + request(2, "/echo_all", method="POST", body=b"half", end=False))
            child.log("sleeping now")
            child.stop()
            self.assertEqual(child.answer(1).body, b"slept")
            self.assertEqual(child.answer(2).reset, wire.NOT_STARTED)
            self.assertEqual(child.wait(), 0)

    def test_stop_now_breaks_off_and_gives_back(self):
        with Child("shop:app") as child:
            child.lane.send(request(1, "/sleep?20") + request(2, "/hello"))
            child.log("sleeping now")
            child.stop(wire.NOW)
            last = child.lane.frame()
            self.assertEqual((last.code, last.flags), (wire.APP_ERROR, wire.HOLD), "it will not be free any more")
            self.assertIn(b"told to end", last.body)
            self.assertEqual(child.answer(2).reset, wire.NOT_STARTED)
            child.log("finally ran")
            self.assertEqual(child.control_frame(wire.BYE).code, 5)
            self.assertEqual(child.wait(), 0)

    def test_term_breaks_off_through_finally(self):
        with Child("shop:app") as child:
            child.open("/sleep?20")
            child.log("sleeping now")
            child.process.send_signal(signal.SIGTERM)
            child.log("finally ran")
            self.assertEqual(child.wait(), 143)
        with Child("shop:app") as child:
            child.process.send_signal(signal.SIGTERM)
            self.assertEqual(child.wait(), 143)

    def test_term_closes_what_the_app_was_giving(self):
        source = """
import time
class Body:
    def __iter__(self):
        print("giving now")
        time.sleep(20)
        yield b"late"
    def close(self):
        print("it is closed")
def app(environ, start_response):
    start_response("200 OK", [])
    return Body()
"""
        with apps_in(gives=source) as root, Child("gives:app", root) as child:
            child.open()
            child.log("giving now")
            child.process.send_signal(signal.SIGTERM)
            child.log("it is closed")
            self.assertEqual(child.wait(), 143)

    def test_term_ends_an_app_that_catches_everything(self):
        with Child("shop:app") as child:
            stream = child.open("/swallows")
            child.log("swallowing now")
            child.process.send_signal(signal.SIGTERM)
            self.assertEqual(child.answer(stream).body, b"swallowed")
            self.assertEqual(child.wait(), 143)

    def test_interrupt_is_ignored(self):
        with Child("shop:app") as child:
            stream = child.open("/sleep?0.2")
            child.log("sleeping now")
            child.process.send_signal(signal.SIGINT)
            self.assertEqual(child.answer(stream).body, b"slept")
            self.assertEqual(child.get("/hello").body, b"Hello")

    def test_end_of_the_runner_ends_the_child_after_what_runs(self):
        with Child("shop:app") as child:
            stream = child.open("/sleep?0.3")
            child.log("sleeping now")
            child.ctl.close()
            self.assertEqual(child.answer(stream).body, b"slept")
            self.assertEqual(child.wait(), 0)

    def test_end_of_the_runner_ends_a_stuck_child_after_the_grace(self):
        with Child("shop:app", grace_ms=100) as child:
            child.open("/sleep?20")
            child.log("sleeping now")
            child.ctl.close()
            self.assertEqual(child.wait(), 143)

    def test_end_of_the_runner_ends_an_app_that_catches_everything_and_never_returns(self):
        source = """
import time
def app(environ, start_response):
    print("clinging now")
    while True:
        try:
            time.sleep(20)
        except BaseException:
            pass
"""
        with apps_in(clings=source) as root, Child("clings:app", root, grace_ms=100) as child:
            child.open()
            child.log("clinging now")
            child.ctl.close()
            self.assertEqual(child.wait(), 143)

    def test_stop_while_the_app_is_loaded_ends_the_child(self):
        with apps_in(shopsite="import time\nprint('loading')\ntime.sleep(20)\n") as root:
            with Child("shopsite:app", root, boot=False) as child:
                child.greet()
                child.log("loading")
                child.stop()
                self.assertEqual(child.wait(), 0)


class ViewTest(unittest.TestCase):
    """What the runner can see and ask."""

    def test_ping_is_answered_while_a_request_runs(self):
        with Child("shop:app") as child:
            child.open("/stuck")
            child.log("stuck now")
            child.ctl.send(wire.frame(wire.PING, aux=77))
            self.assertEqual(child.control_frame(wire.PONG).aux, 77)
            child.stop(wire.NOW)
            self.assertEqual(child.wait(), 0)

    def test_a_descriptor_that_nothing_needs_is_closed(self):
        with Child("shop:app") as child:
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            child.ctl.send_fd(wire.frame(wire.PING, flags=wire.FD, aux=5), theirs)
            os.close(theirs)
            self.assertEqual(child.control_frame(wire.PONG).aux, 5)
            self.assertEqual(os.read(ours, 1), b"", "nobody holds the other end")
            os.close(ours)

    def test_dump_shows_where_a_stuck_app_is(self):
        with Child("shop:app") as child:
            child.open("/stuck", id="the-stuck-one")
            child.log("stuck now")
            child.ctl.send(wire.frame(wire.DUMP))
            frame = child.log("in stuck")
            while "in emit" in frame.body.decode():  # not yet back from printing
                child.logs.clear()
                child.ctl.send(wire.frame(wire.DUMP))
                frame = child.log("in stuck")
            self.assertIn("while time.monotonic() < until", frame.body.decode())
            self.assertEqual((frame.fields[":stream"], frame.fields[":id"]), ("dump", "the-stuck-one"))
            child.process.send_signal(signal.SIGUSR2)
            seen = b""
            while b"in stuck" not in seen:
                seen += os.read(child.process.stderr.fileno(), 4096)
            child.stop(wire.NOW)
            self.assertEqual(child.wait(), 0)

    def test_board_tells_busy_and_idle(self):
        with Child("shop:app") as child:
            until(lambda: child.board_now() == (0, 0, 1), "idle")
            struct.pack_into("<I", child.board, 16, 4711)
            stream = child.open("/sleep?0.2", id="abcdef")
            child.until_busy(stream)
            self.assertGreater(child.board_now()[0], 0)
            self.assertEqual(child.board[64:128].rstrip(b"\0"), b"abcdef")
            requests, rss = struct.unpack_from("<QQ", child.board, 24)
            self.assertEqual(requests, 1)
            self.assertGreater(rss, 1 << 20)
            child.answer(stream)
            until(lambda: child.board_now() == (0, stream, 1), "idle again")
            self.assertEqual(struct.unpack_from("<I", child.board, 16)[0], 4711)
            child.stop()
            child.wait()
            self.assertEqual(child.board_now(), (0, stream, 3))
