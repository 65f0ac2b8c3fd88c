"""The scheduler alone, without any I/O: jobs a second on one core and bytes of a waiting job."""
import os
import re

from kit import load, markdown, processes, tools

NEEDS = []
USES_OSTLER = False
MINUTES = 15
QUEUED = re.compile(r"(\w+): (\d+) enqueue\+dispatch\+finish/s .*?, (\d+) enqueue/s .*?, (\d+) bytes a waiting job")
AT_ONCE = re.compile(r"(\w+): (\d+) grants at once a second")


def run(_group, settings):
    program = os.path.join(tools.build("ostler-scheduler", "--example", "throughput"), "examples", "throughput")
    queued, at_once = {}, {}
    for _ in range(settings.rounds(3)):
        text = load.run([program], timeout=180)
        for name, *figures in QUEUED.findall(text):
            queued.setdefault(name, []).append([int(figure) for figure in figures])
        for name, rate in AT_ONCE.findall(text):
            at_once.setdefault(name, []).append(int(rate))
        if not queued or queued.keys() != at_once.keys():
            raise processes.Failed("the output of `throughput` is not what is read here:\n" + text)
    return report(queued, at_once)


def report(queued, at_once):
    rows = []
    for name, turns in queued.items():
        rate, filling, size = (markdown.median(figure) for figure in zip(*turns))
        rows.append([name.lower(), f"**{rate:,.0f}**", f"{filling:,.0f}", f"{markdown.median(at_once[name]):,.0f}",
                     f"{size:.0f}"])
    header = ["discipline", "enqueue + dispatch + finish a second", "enqueue a second while filling",
              "at once, with a slot free, a second", "bytes a waiting job"]
    return markdown.table(header, rows)
