#!/usr/bin/env python3
"""Schedules that are all due in the same second.

usage: schedules.py PORT TOKEN COUNT JOB
Puts COUNT schedules, waits for their second and for the end of their jobs. JOB is the JSON of one job; prints JSON:
how long after that second the last job was stored, and how long after it jobs started."""
import datetime
import http.client
import json
import sys
import threading
import time

PORT, TOKEN, COUNT = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
JOB = json.loads(sys.argv[4])
HEADERS = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}
CONNECTIONS = 64
PAGE = 1000
# Until then they have all been put, also on a slow disk.
AHEAD = 90


class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), HEADERS)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:500]!r}")
        return json.loads(data)


def put_all(due):
    moment = datetime.datetime.fromtimestamp(due, datetime.timezone.utc)
    shape = {"cron": moment.strftime("%S %M %H %d %m *"), "zone": "UTC", "job": JOB}
    numbers = iter(range(COUNT))
    lock = threading.Lock()

    def run():
        api = Api()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            api.ask("PUT", f"/v1/schedules/s{number}", shape)

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stored(api, due):
    """When the last of them is there for all to see."""
    while True:
        newest = api.ask("GET", "/v1/jobs?limit=1&sort=-id")["jobs"]
        if newest and newest[0]["id"] >= COUNT:
            return time.time() - due
        time.sleep(0.005)


def jobs(api):
    found, after = [], None
    while True:
        page = api.ask("GET", f"/v1/jobs?limit={PAGE}" + (f"&cursor={after}" if after else ""))
        found += page["jobs"]
        after = page.get("next")
        if not after:
            return found


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main():
    due = int(time.time()) + AHEAD
    put_all(due)
    left = due - time.time()
    if left < 2:
        raise SystemExit(f"they were put {2 - left:.1f} s too late")
    api = Api()
    time.sleep(due - time.time())
    last = stored(api, due)
    while sum(api.ask("GET", "/v1/status")["jobs"].values()) > 0:
        time.sleep(0.2)
    all_jobs = jobs(api)
    assert len(all_jobs) == COUNT, len(all_jobs)
    assert len({job["schedule"] for job in all_jobs}) == COUNT
    late = sorted(seconds(job["started_at"]) - seconds(job["due"]) for job in all_jobs)
    done = max(seconds(job["finished_at"]) for job in all_jobs) - due
    print(json.dumps({"stored": last, "p50": late[COUNT // 2], "p99": late[COUNT * 99 // 100], "max": late[-1], "done": done}))


main()
