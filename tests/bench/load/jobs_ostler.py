#!/usr/bin/env python3
"""Jobs through Ostler's API.

usage: jobs_ostler.py batches PORT TOKEN JOBS BATCH JOB   NDJSON batches on four connections, until all are done
       jobs_ostler.py single PORT TOKEN SECONDS RATE JOB  one job a request at a rate, latency from the planned moment
       jobs_ostler.py exec PORT TOKEN COUNT               from just before the submit to the command's first instruction
       jobs_ostler.py fill PORT TOKEN JOBS BATCH JOB      like batches, without waiting for the end
       jobs_ostler.py beside PORT TOKEN QUEUE JOBS SECONDS
                                                          exec of one tenant, alone and beside so many of another
       jobs_ostler.py fill_queues PORT TOKEN JOBS QUEUES  so many jobs to q0, q1 and so on in turn
       jobs_ostler.py explain PORT TOKEN COUNT            how long the explanations of jobs that wait take
JOB is the JSON of one job; prints JSON"""
import http.client
import json
import queue
import random
import sys
import threading
import time

PORT, TOKEN = int(sys.argv[2]), sys.argv[3]
HEADERS = {"Authorization": "Bearer " + TOKEN}


class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)

    def ask(self, method, path, body=None, kind="application/json"):
        headers = dict(HEADERS, **({"Content-Type": kind} if body is not None else {}))
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:500]!r}")
        return data


def unfinished(api):
    states = json.loads(api.ask("GET", "/v1/status"))["jobs"]
    return sum(states.get(state, 0) for state in ("scheduled", "pending", "leased", "running", "retrying"))


def send_batches(jobs, batch, job):
    sizes = queue.SimpleQueue()
    for at in range(0, jobs, batch):
        sizes.put(min(batch, jobs - at))
    line = (json.dumps(json.loads(job)) + "\n").encode()
    failures = []

    def run():
        api = Api()
        try:
            while True:
                count = sizes.get_nowait()
                answer = api.ask("POST", "/v1/jobs", line * count, "application/x-ndjson")
                assert answer.count(b"\n") == count, answer[:500]
        except queue.Empty:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(str(failures[0]))


def finished(api):
    text = api.ask("GET", "/metrics").decode()
    lines = [line for line in text.splitlines() if line.startswith("ostler_durable_finished_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def batches(jobs, batch, job):
    api = Api()
    before = finished(api)
    begin = time.monotonic()
    send_batches(int(jobs), int(batch), job)
    submitted = time.monotonic()
    while finished(api) < before + int(jobs):
        time.sleep(0.01)
    done = time.monotonic()
    return {"submitted": int(jobs) / (submitted - begin), "done": int(jobs) / (done - begin)}


def fill(jobs, batch, job):
    begin = time.monotonic()
    send_batches(int(jobs), int(batch), job)
    return {"submitted": int(jobs) / (time.monotonic() - begin)}


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def single(seconds, rate, job):
    rate, count = float(rate), int(float(seconds) * float(rate))
    body, begin, late, lock = json.dumps(json.loads(job)).encode(), time.monotonic() + 0.2, [], threading.Lock()
    turns = iter(range(count))

    def run():
        api = Api()
        while True:
            with lock:
                turn = next(turns, None)
            if turn is None:
                return
            planned = begin + turn / rate
            time.sleep(max(0, planned - time.monotonic()))
            api.ask("POST", "/v1/jobs", body)
            late.append(time.monotonic() - planned)

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"p50_ms": percentile(late, 0.5) * 1000, "p99_ms": percentile(late, 0.99) * 1000, "count": len(late)}


def exec_latency(count):
    api, waits = Api(), []
    for _ in range(int(count)):
        before = time.time_ns()
        record = api.ask("POST", "/v1/jobs?wait=30s", json.dumps({"argv": ["date", "+%s%N"]}).encode())
        log = api.ask("GET", f"/v1/jobs/{json.loads(record)['id']}/log")
        waits.append((int(log) - before) / 1e6)
        time.sleep(0.02)
    return {"p50_ms": percentile(waits, 0.5), "p95_ms": percentile(waits, 0.95)}


def starts(api, queue, seconds):
    """Ten jobs a second at odd moments: milliseconds until the first instruction of each."""
    chance, until, waits = random.Random(7), time.monotonic() + seconds, []
    while time.monotonic() < until:
        before = time.time_ns()
        job = {"argv": ["date", "+%s%N"], "tenant": "victim", "queue": queue}
        record = json.loads(api.ask("POST", "/v1/jobs?wait=60s", json.dumps(job).encode()))
        waits.append((int(api.ask("GET", f"/v1/jobs/{record['id']}/log")) - before) / 1e6)
        time.sleep(chance.uniform(0.02, 0.16))
    return waits


def beside(queue, jobs, seconds):
    api = Api()
    starts(api, queue, 2)
    alone = starts(api, queue, float(seconds))
    flood = {"argv": ["sleep", "0.02"], "tenant": "flood", "queue": queue}
    send_batches(int(jobs), 1000, json.dumps(flood))
    starts(api, queue, 2)
    crowded = starts(api, queue, float(seconds))
    left = json.loads(api.ask("GET", f"/v1/queues/{queue}"))["waiting"]
    api.ask("POST", f"/v1/queues/{queue}/purge", b"{}")
    return {"alone_p50": percentile(alone, 0.5), "alone_p99": percentile(alone, 0.99), "left": left,
            "beside_p50": percentile(crowded, 0.5), "beside_p99": percentile(crowded, 0.99)}


def explain(count):
    api, took = Api(), []
    newest = json.loads(api.ask("GET", "/v1/jobs?limit=1"))["jobs"][0]["id"]
    chance = random.Random(7)
    for _ in range(int(count)):
        job, before = chance.randint(1, newest), time.monotonic()
        api.ask("GET", f"/v1/jobs/{job}/explain")
        took.append((time.monotonic() - before) * 1000)
    return {"p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99)}


def fill_queues(jobs, queues):
    api, jobs, queues = Api(), int(jobs), int(queues)
    begin = time.monotonic()
    for at in range(0, jobs, 1000):
        lines = (json.dumps({"command": "make report", "queue": f"q{number % queues}"}) for number in range(at, at + 1000))
        api.ask("POST", "/v1/jobs", ("\n".join(lines) + "\n").encode(), "application/x-ndjson")
    return {"submitted": jobs / (time.monotonic() - begin)}


WAYS = {"fill_queues": fill_queues, "beside": beside, "explain": explain, "batches": batches, "single": single, "exec": exec_latency, "fill": fill}
print(json.dumps(WAYS[sys.argv[1]](*sys.argv[4:])))
