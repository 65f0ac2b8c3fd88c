"""Apps that fork, start programs, patch modules and replace streams: the child stays one, and reachable."""

import os
import signal
import unittest

from .harness import Child, apps_in, wire

VIEW = """
import multiprocessing, os, signal, subprocess, sys, threading, time

def came_back(work):
    pid = os.fork()
    if pid == 0:
        return work()
    return "%d" % os.waitpid(pid, 0)[1]

def leave(): sys.exit(3)
def fail(): raise RuntimeError("in the fork")
def wait(): time.sleep(30)

def terminated():
    process = multiprocessing.get_context("fork").Process(target=wait)
    process.start()
    process.terminate()
    process.join()
    return "%d" % process.exitcode

def program():
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    return subprocess.check_output([sys.executable, "-c", code]).decode().strip()

def in_a_thread():
    got = []
    thread = threading.Thread(target=lambda: got.append(came_back(lambda: None)))
    thread.start()
    thread.join()
    return got[0]

VIEWS = {"/returns": lambda: came_back(lambda: "from the fork"), "/leaves": lambda: came_back(leave),
         "/fails": lambda: came_back(fail), "/terminated": terminated, "/program": program, "/thread": in_a_thread}

def app(environ, start_response):
    text = VIEWS[environ["PATH_INFO"]]()
    start_response("200 OK", [])
    return [text.encode()]
"""


def lives(pid):
    try:
        os.kill(pid, 0)
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class ForkTest(unittest.TestCase):
    def test_a_fork_that_comes_back_from_a_view_ends_as_it_would_elsewhere(self):
        with apps_in(forks=VIEW) as root, Child("forks:app", root) as child:
            for path, status in (("/returns", 0), ("/leaves", 3 << 8), ("/fails", 1 << 8), ("/thread", 0)):
                answer = child.get(path)
                self.assertEqual((answer.status, answer.body), (200, b"%d" % status), path)
            child.stop()
            self.assertEqual(child.wait(), 0)
            self.assertIn(b"RuntimeError: in the fork", child.process.stderr.read())

    def test_signals_mean_in_forks_and_programs_what_they_mean_elsewhere(self):
        with apps_in(forks=VIEW) as root, Child("forks:app", root) as child:
            self.assertEqual(child.get("/terminated").body, b"%d" % -signal.SIGTERM)
            self.assertEqual(child.get("/program").body, b"True")

    def test_a_helper_forked_at_import_holds_no_lane(self):
        source = """
import os, time
pid = os.fork()
if pid == 0:
    os.setsid()
    time.sleep(60)
    os._exit(0)
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % pid]
"""
        with apps_in(helped=source) as root, Child("helped:app", root) as child:
            helper = int(child.get().body)
            try:
                child.process.kill()
                self.assertIsNone(child.lane.frame())
                self.assertIsNone(child.ctl.frame())
                self.assertTrue(lives(helper))
            finally:
                os.kill(helper, signal.SIGKILL)

    def test_a_fork_that_comes_back_from_the_import_is_no_second_child(self):
        source = """
import os
pid = os.fork()
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d %d" % (os.getpid(), os.waitpid(pid, 0)[1])]
"""
        with apps_in(halves=source) as root, Child("halves:app", root) as child:
            self.assertEqual(child.get().body, b"%d 0" % child.process.pid)


class ReplacedTest(unittest.TestCase):
    def test_a_stream_of_the_apps_own_does_not_spoil_the_end(self):
        source = """
import sys
class Tee:
    def write(self, text):
        pass
sys.stdout = Tee()
sys.stderr = None
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]
"""
        with apps_in(tee=source) as root, Child("tee:app", root) as child:
            self.assertEqual(child.get().body, b"ok")
            child.stop()
            self.assertEqual(child.control_frame(wire.BYE).code, wire.DRAINED)
            self.assertEqual(child.wait(), 0)

    def test_patched_threading_and_select_do_not_reach_the_child(self):
        # What gevent and eventlet do, seen from here: names in modules are other objects after the import.
        source = """
import os, select, socket, threading
waits = []
def cooperative(*args):
    waits.append(args)
    return real(*args)
real, select.select = select.select, cooperative
class Broken:
    def __init__(self, *args, **kwargs): raise RuntimeError("a patched class")
for module, names in ((threading, "Lock RLock Condition Event Thread get_ident main_thread"), (socket, "socket")):
    for name in names.split():
        setattr(module, name, Broken)
os.write = Broken
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % len(waits)]
"""
        with apps_in(patched=source) as root:
            with Child("patched:app", root) as child:
                self.assertEqual(child.get().status, 200)
                self.assertGreater(int(child.get().body), 0)
                child.lane.close()
                child.new_lane()
                child.stream = 0
                self.assertEqual(child.get().status, 200)
                child.stop()
                self.assertEqual(child.wait(), 0)
            with Child("patched:app", root) as child:
                child.process.send_signal(signal.SIGTERM)
                self.assertEqual(child.wait(), 143)
