"""Runs load generators, and what the servers used meanwhile."""
import json
import os
import re
import subprocess
import sys

from . import processes, tools


class Cost:
    """A point: CPU microseconds a request of the whole system, and what else the load generator saw."""

    def __init__(self, user, kernel, requests, seconds, bad):
        self.user, self.kernel = user / requests, kernel / requests
        self.total = self.user + self.kernel
        self.rate = requests / seconds
        self.bad = bad


def turns(systems, rounds):
    """A B C B C A ...: whoever stood last in one round is not last in the next."""
    systems = list(systems)
    for turn in range(rounds):
        shift = turn % len(systems)
        for system in systems[shift:] + systems[:shift]:
            yield f"{turn + 1}/{rounds}", system


def wrk(url, connections, seconds):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}", url]


def h2load(url, connections, streams, seconds):
    return ["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", f"{seconds:g}", url]


def cpu_per_request(roots, command):
    """The load's successful requests, divided into the CPU time that the trees of `roots` took for them."""
    before = processes.cpu_us(roots)
    text = run(command, timeout=120)
    after = processes.cpu_us(roots)
    count = re.search(r"(\d+) requests in", text) or re.search(r"(\d+) succeeded", text)
    if not count or int(count.group(1)) == 0:
        raise processes.Failed("nothing succeeded: " + " ".join(command) + "\n" + text)
    used = [
        sum(now[kind] - before.get(pid, (0, 0))[kind] for pid, now in after.items()) for kind in (0, 1)
    ]
    return Cost(*used, int(count.group(1)), seconds(text), errors(text))


def seconds(text):
    """How long the load took, as either generator writes it."""
    number, unit = re.search(r"(?:finished|requests) in ([\d.]+)(ms|s|m)", text).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def errors(text):
    """Requests that failed, of either generator."""
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    h2 = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    status = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    return sum(int(n) for match in (bad, sockets, h2, status) if match for n in match.groups())


def script(name, *arguments, timeout):
    """Runs one of our own generators and reads its JSON."""
    command = [sys.executable, "-B", os.path.join(tools.HERE, "load", name), *map(str, arguments)]
    return json.loads(run(command, timeout=timeout))


def run(command, timeout):
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=timeout
        )
    except subprocess.TimeoutExpired as late:
        raise processes.Failed("took too long: " + " ".join(command)) from late
    if done.returncode != 0:
        raise processes.Failed(" ".join(command) + f" ended with {done.returncode}\n" + done.stderr[-1500:])
    return done.stdout
