"""10,000 schedules that are due in the same second, through a whole gateway: on the disk as it is, on one whose syncs take
5 ms longer, and on that beside a process on each core that walks through the caches."""
import json
import os

from kit import load, markdown, processes, tools
from sections import neighbours
from sections.jobs import Ostler

NEEDS = []
USES_OSTLER = True
MINUTES = 20
SLOTS = 64
JOBS = {"does nothing": {"module": "noop"}, "`true`": {"argv": ["true"]}}
DISKS = ["as it is", "syncs 5 ms longer", "syncs 5 ms longer, contended"]


def run(group, settings):
    count = 1_000 if settings.options.quick else 10_000
    preloaded = {"LD_PRELOAD": slow_disk(group.folder), "SLOW_DISK_MS": "5"}
    walker = neighbours.neighbour(group.folder)
    rows = []
    for kind, job in JOBS.items():
        for disk in DISKS:
            turns = [once(group, settings, (kind, disk, turn), job, count, preloaded, walker)
                     for turn in range(settings.rounds(3))]
            figure = {key: markdown.median([turn[key] for turn in turns]) for key in turns[0]}
            rows.append([kind, disk, f"**{figure['stored']:.2f} s**", f"{figure['p50']:.2f} s", f"**{figure['p99']:.2f} s**",
                         f"{figure['done']:.2f} s"])
    return markdown.table([f"{count:,} jobs", "disk", "all stored", "start p50", "start p99", "all done"], rows)


def once(group, settings, what, job, count, preloaded, walker):
    kind, disk, turn = what
    name = f"schedules-{list(JOBS).index(kind)}-{DISKS.index(disk)}-{turn}"
    ours = Ostler(group, settings.binary(), name, SLOTS, env=preloaded if disk != DISKS[0] else None)
    walkers = neighbours.start(group, walker, 300) if disk == DISKS[2] else []
    try:
        figures = load.script("schedules.py", ours.port, ours.token(), count, json.dumps(job), timeout=600)
    finally:
        neighbours.stop(walkers)
    ours.stop()
    tools.say(f"{turn} {kind}, {disk}: " + ", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    return figures


def slow_disk(folder):
    """The built library."""
    built = os.path.join(folder, "slow_disk.so")
    source = os.path.join(tools.HERE, "load", "slow_disk.c")
    text = tools.output(["cc", "-O2", "-shared", "-fPIC", "-o", built, source, "-ldl"])
    if not os.path.exists(built):
        raise processes.Failed("slow_disk.c did not compile:\n" + text)
    return built
