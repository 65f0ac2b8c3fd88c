"""Microseconds of a hello-world request by depth of prefetch: `python3 children/python/tests/bench_child.py [seconds]`.

CPU is the child's own, user and system; the driver shares nothing with it but the socket.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from tests.harness import Child, request  # noqa: E402


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK"), int(fields[12]) / os.sysconf("SC_CLK_TCK")


def measure(depth, seconds):
    with Child("hello:app") as child:
        sock = child.lane.sock
        answer = 16 + len(b"Content-Type\0text/plain\0Content-Length\x0013Hello, world!")
        stream = count = 0
        begun, used = time.perf_counter(), cpu(child.process.pid)
        while time.perf_counter() - begun < seconds:
            for _ in range(100):
                sock.sendall(b"".join(request_of(stream + 1 + i) for i in range(depth)))
                stream += depth
                left = depth * answer
                while left:
                    left -= len(sock.recv(65536))
            count += 100 * depth
        wall = time.perf_counter() - begun
        user, system = (b - a for a, b in zip(used, cpu(child.process.pid)))
    print("depth %2d: %6.1f us wall, %5.2f us CPU of the child (%.2f user, %.2f system), %7.0f requests/s" % (
        depth, wall / count * 1e6, (user + system) / count * 1e6, user / count * 1e6, system / count * 1e6, count / wall))


TEMPLATE = request(0x01020304, "/hello", id="01JD0000000000000000000000", env=[
    ("HTTP_USER_AGENT", "wrk/4.1"), ("HTTP_X_REQUEST_ID", "01JD0000000000000000000000"),
    ("HTTP_X_REQUEST_START", "t=1700000000000000"), ("HTTP_ACCEPT_ENCODING", "gzip"), ("HTTP_ACCEPT_LANGUAGE", "en"),
    ("HTTP_X_FORWARDED_FOR", "192.0.2.7"), ("HTTP_X_FORWARDED_PROTO", "https")])


def request_of(stream):
    return TEMPLATE[:8] + stream.to_bytes(4, "little") + TEMPLATE[12:]


if __name__ == "__main__":
    for depth in (1, 4, 8, 16):
        measure(depth, float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
