"""Queues: one tenant's jobs beside 100,000 of another in each discipline, and a million that wait in a thousand queues."""
import json
import os
import re

from kit import load, markdown, tools
from sections.jobs import Ostler, tools_get

NEEDS = []
USES_OSTLER = True
MINUTES = 30
# Those that promise fairness: in `fifo` whoever comes after a hundred thousand waits for them.
DISCIPLINES = ["promise", "sfq", "drr", "htb"]
SLOTS = 8
RATE = re.compile(r"(.+): (\d+) enqueue\+dispatch\+finish/s")


def run(group, settings):
    quick = settings.options.quick
    ours = Ostler(group, settings.binary(), "disciplines", SLOTS)
    points = {name: [] for name in DISCIPLINES}
    for name in DISCIPLINES:
        put(ours, name, {"discipline": name})
    for turn, name in load.turns(DISCIPLINES, settings.rounds(3)):
        point = ours.load("beside", name, 10_000 if quick else 100_000, settings.seconds(15))
        points[name].append(point)
        tools.say(f"{turn} {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in point.items()))
    ours.stop()
    jobs = 100_000 if quick else 1_000_000
    waiting = [many(group, settings, jobs, queues) for queues in (1, 1000)]
    return report(points, jobs, waiting, scheduler(settings))


def put(ours, name, shape):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=60)
    headers = {"Authorization": "Bearer " + ours.token(), "Content-Type": "application/json"}
    connection.request("PUT", f"/v1/queues/{name}", json.dumps(shape), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, text


def many(group, settings, jobs, queues):
    """So many jobs in so many queues: what an explanation takes, and a restart."""
    ours = Ostler(group, settings.binary(), f"waiting-{queues}", 0)
    for number in range(queues):
        put(ours, f"q{number}", {})
    filled = ours.load("fill_queues", jobs, queues, timeout=1800)
    explained = ours.load("explain", 2_000)
    starts = []
    for _ in range(settings.rounds(3)):
        ours.stop()
        ours.start()
        starts.append(ours.started_in)
    ours.stop()
    return filled, explained, markdown.median(starts)


def scheduler(settings):
    program = os.path.join(tools.build("ostler-scheduler", "--example", "queues"), "examples", "queues")
    rates = {}
    for _ in range(settings.rounds(3)):
        for name, rate in RATE.findall(load.run([program], timeout=600)):
            rates.setdefault(name, []).append(int(rate))
    return rates


def report(points, jobs, waiting, rates):
    rows = []
    for name, turns in points.items():
        figure = {key: markdown.median([turn[key] for turn in turns]) for key in turns[0]}
        ratio = markdown.median([turn["beside_p99"] / turn["alone_p99"] for turn in turns])
        rows.append([name, f"{figure['alone_p50']:.1f}", f"{figure['alone_p99']:.1f}", f"{figure['beside_p50']:.1f}",
                     f"{figure['beside_p99']:.1f}", f"**{ratio:.1f}**"])
    text = markdown.table(["discipline", "alone p50 ms", "alone p99", "beside p50", "beside p99", "p99 beside / alone"], rows)
    rows = []
    for queues, (filled, explained, start) in zip((1, 1000), waiting):
        rows.append([f"{jobs:,} in {queues:,}", f"{filled['submitted']:,.0f}", f"{explained['p50_ms']:.1f} ms",
                     f"**{explained['p99_ms']:.1f} ms**", f"{start:.1f} s", f"**{start / waiting[0][2]:.2f}**"])
    text += "\n" + markdown.table(["jobs in queues", "submitted a second", "explain p50", "explain p99", "restart until ready",
                                   "beside one queue"], rows)
    base = markdown.median(next(iter(rates.values())))
    rows = [[name, f"{markdown.median(turns):,.0f}", f"{base / markdown.median(turns):.1f}"] for name, turns in rates.items()]
    return text + "\n" + markdown.table(["scheduler alone", "enqueue + dispatch + finish a second", "times the cost"], rows)
