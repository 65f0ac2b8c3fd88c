"""The web beside eight endless searches over many jobs and eight slow uploads: what its requests feel of them."""
import os
import subprocess
import sys

from kit import load, markdown, processes, servers, tools

NEEDS = []
USES_OSTLER = True
MINUTES = 15
JOBS, JOB = 200_000, '{"command": "convert --quality 80 images/one.png thumbnails/one.jpg", "paused": true}'
RATE = 200


def run(group, settings):
    seconds, rounds = settings.seconds(10), settings.rounds(5)
    more = f"[jobs]\nwaiting_max = {2 * JOBS}\n"
    ostler = servers.ostler(group, settings.binary(), "hello:app", 2, more=more, api=True)
    with open(os.path.join(group.folder, "state", "api.token")) as file:
        token = file.read().strip()
    load.script("jobs_ostler.py", "fill", ostler.api_port, token, JOBS, 1000, JOB, timeout=600)
    points, crowds = {"alone": [], "beside them": []}, []
    for turn, (name, _) in load.turns([(name, None) for name in points], rounds):
        crowd = None if name == "alone" else begin(group, ostler, token, f"crowd-{turn[0]}")
        point = load.script("tail.py", ostler.port, RATE, seconds, timeout=4 * seconds + 60)
        points[name].append(point)
        if crowd:
            crowds.append(end(crowd))
        tools.say(f"{turn} {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in point.items()))
    return report(points, crowds)


def begin(group, ostler, token, name):
    """Starts the crowd, and waits until all of it is at work."""
    script = os.path.join(tools.HERE, "load", "crowd.py")
    command = [sys.executable, "-B", script, str(ostler.api_port), token]
    crowd = group.start(name, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if crowd.stdout.readline() != b"at work\n":
        raise processes.Failed("the crowd did not begin:\n" + group.log(name)[-1500:])
    return crowd


def end(crowd):
    """How many searches were answered."""
    crowd.stdin.close()
    searches = int(crowd.stdout.readline())
    crowd.wait(timeout=30)
    return searches


def report(points, crowds):
    rows = []
    for name, turns in points.items():
        figure = {key: markdown.median([turn[key] for turn in turns]) for key in turns[0]}
        rows.append([name, f"{figure['p50']:.2f}", f"{figure['p90']:.2f}", f"{figure['p99']:.2f}",
                     sum(turn["errors"] for turn in turns)])
    ratios = [beside["p99"] / alone["p99"] for alone, beside in zip(points["alone"], points["beside them"])]
    table = markdown.table([f"{RATE} requests a second", "p50 ms", "p90", "p99", "errors"], rows)
    return table + f"\np99 beside them / alone: **{markdown.spread(ratios, 2)}**; {sum(crowds):,} searches were answered.\n"
