"""A child that lives can be reached, whatever the app does to sockets and signals; else it says that it leaves."""

import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import Child, apps_in, data, until, wire  # noqa: E402

QUIET = 0.4  # longer than any time limit that these apps set

ECHO = """
def app(e, s):
    body = e["wsgi.input"].read()
    act(e["QUERY_STRING"])
    s("200 OK", [])
    return [body or b"fine"]
"""


def app_with(text):
    return apps_in(shopsite=text + ECHO)


class TimeLimitTest(unittest.TestCase):
    def check(self, child):
        self.assertEqual(child.get().body, b"fine")
        time.sleep(QUIET)
        self.assertEqual(child.get().body, b"fine")
        stream = child.open("/", method="POST", body=b"one ", end=False)
        child.until_busy(stream)
        time.sleep(QUIET)
        child.lane.send(data(stream, b"two", True))
        self.assertEqual(child.answer(stream).body, b"one two")
        child.ctl.send(wire.frame(wire.PING, aux=5))
        self.assertEqual(child.control_frame(wire.PONG).aux, 5)

    def test_time_limit_for_all_new_sockets_is_not_one_for_ours(self):
        text = "import socket\nsocket.setdefaulttimeout(0.1)\ndef act(_): pass\n"
        with app_with(text) as root, Child("shopsite:app", root) as child:
            self.check(child)
            child.lane.close()
            child.new_lane()
            child.stream = 0
            self.check(child)

    def test_time_limit_set_by_a_view_does_not_reach_the_next_lane(self):
        text = "import socket\ndef act(_): socket.setdefaulttimeout(0.1)\n"
        with app_with(text) as root, Child("shopsite:app", root) as child:
            child.get()
            child.lane.close()
            child.new_lane()
            child.stream = 0
            self.check(child)

    def test_descriptors_that_the_app_made_nonblocking_still_wait(self):
        text = "import os\ndef act(query):\n    for fd in map(int, filter(None, query.split(','))): os.set_blocking(fd, False)\n"
        with app_with(text) as root, Child("shopsite:app", root) as child:
            fds = []
            for fd in os.listdir("/proc/%d/fd" % child.process.pid):
                if os.readlink("/proc/%d/fd/%s" % (child.process.pid, fd)).startswith("socket:"):
                    fds.append(fd)
            child.get("/?" + ",".join(fds))
            self.check(child)
            child.get("/?" + ",".join(fds))
            big = b"x" * (3 << 20)
            stream = child.open("/", method="POST", body=b"", end=False)
            for start in range(0, len(big), 1 << 16):
                child.lane.send(data(stream, big[start:start + (1 << 16)], start + (1 << 16) >= len(big)))
            time.sleep(QUIET)  # the answer fills the socket
            self.assertEqual(child.answer(stream).body, big)
            used = os.times()
            self.assertLess(cpu_of(child.process.pid), 5.0, used)


def cpu_of(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class HandlerTest(unittest.TestCase):
    TEXT = """
import signal, threading, time
def raising(*_):
    raise RuntimeError("from the handler")
signal.signal(signal.SIGUSR1, raising)
def act(query):
    if query == "thread":
        threading.Thread(target=time.sleep, args=(60,)).start()
"""

    def test_idle_child_whose_signal_handler_raises_gives_back_and_says_bye(self):
        with app_with(self.TEXT) as root, Child("shopsite:app", root) as child:
            child.get()
            until(lambda: child.board_now()[2] == 1, "idle")
            child.process.send_signal(signal.SIGUSR1)
            self.assertEqual(child.control_frame(wire.BYE).code, wire.APP_ASKED)
            child.log("from the handler")
            last = child.lane.rest()[-1]
            self.assertEqual((last.kind, last.code, last.stream, last.aux), (wire.RESET, wire.DRAINING, 0, 1))
            self.assertEqual(child.wait(), 1)

    def test_it_says_so_as_well_when_threads_of_the_app_keep_it_alive(self):
        with app_with(self.TEXT) as root, Child("shopsite:app", root) as child:
            child.get("/?thread")
            until(lambda: child.board_now()[2] == 1, "idle")
            child.process.send_signal(signal.SIGUSR1)
            self.assertEqual(child.control_frame(wire.BYE).code, wire.APP_ASKED)
            self.assertIsNone(child.process.poll())
            child.process.send_signal(signal.SIGTERM)
            child.wait()


class ClockTest(unittest.TestCase):
    TEXT = """
import sys, time
real = time.monotonic_ns
def act(query):
    if query == "freeze":  # as freezegun does
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if value is real:
                    setattr(module, name, broken)
def broken():
    raise RuntimeError("time stands still")
"""

    def test_an_app_that_stops_the_clock_is_served(self):
        with app_with(self.TEXT) as root, Child("shopsite:app", root) as child:
            for query in ("", "freeze", "", ""):
                self.assertEqual(child.get("/?" + query).body, b"fine")
            self.assertGreater(child.open("/"), 0)
            child.answer(child.stream)


class TitleTest(unittest.TestCase):
    def test_ps_shows_app_and_number(self):
        with Child("hello:app") as child:
            with open("/proc/%d/cmdline" % child.process.pid, "rb") as line:
                self.assertEqual(line.read().rstrip(b"\0"), b"ostler: shop 7")
            with open("/proc/%d/comm" % child.process.pid) as comm:
                self.assertEqual(comm.read(), "ostler: shop 7\n")


if __name__ == "__main__":
    unittest.main()
