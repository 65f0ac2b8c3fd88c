#!/usr/bin/env python3
"""Makes croniter.txt: when croniter fires about the changes of the clocks that vectors.txt has, of the expressions that it has.

    pip install croniter==7.0.0 tzdata==2026.6 && PYTHONTZPATH= python3 croniter.py > croniter.txt

A line has an expression and, for each zone of vectors.txt in its order, the end of a digest as there, of the firings from a day before each
change until a day after it. `implement_cron_bug` is on, since that is Vixie's rule for a `*/2` among the days. `-`: croniter stopped with an
error, or did not come back.

What croniter fires depends on what clocks show before a change and after it, not on where they are: a change that looks the same elsewhere is
gone through once. The name of this file is croniter's as well, so its own folder is taken from where modules are looked for.
"""

import datetime as dt
import pathlib
import signal
import sys
import zoneinfo

sys.path = [it for it in sys.path if pathlib.Path(it or ".").resolve() != pathlib.Path(__file__).resolve().parent]

from croniter import croniter  # noqa: E402

DAY = 86_400


class Stuck(Exception):
    pass


def stuck(*_):
    raise Stuck


def digest(numbers):
    it = 0xCBF29CE484222325
    for number in numbers:
        for byte in f"{number}\n".encode():
            it = ((it ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{it & 0xFFFF:04x}"


def said(text):
    """croniter writes the last weekday of a month the other way round, and numbers the weeks of weekdays that have one."""
    *others, weekday = text.split()
    return " ".join([*others, f"L{weekday[:-1]}" if weekday[-1] == "L" else weekday])


def around(text, zone, change):
    """Seconds after the change at which it fires, or nothing where it stopped."""
    times = croniter(text, dt.datetime.fromtimestamp(change - DAY, zone), float, implement_cron_bug=True)
    found = []
    while True:
        at = int(times.get_next()) - change
        if at > DAY:
            return found
        assert not found or at > found[-1], "it goes back"
        found.append(at)


def look(zone, change):
    """What clocks show about a change, by their steps in the days about it."""
    offsets = [dt.datetime.fromtimestamp(change + at, zone).utcoffset() for at in range(-2 * DAY, 2 * DAY, 1800)]
    begin = dt.datetime.fromtimestamp(change, dt.UTC).replace(tzinfo=None) + offsets[0]
    return begin, tuple(it - offsets[0] for it in offsets)


def main():
    head, body = pathlib.Path(__file__).with_name("vectors.txt").read_text().split("\n\n")
    signal.signal(signal.SIGVTALRM, stuck)
    zones = []
    for line in head.splitlines():
        name, *there = line.split(" ")
        zone = zoneinfo.ZoneInfo(name)
        zones.append((zone, [(int(at), look(zone, int(at))) for at in there]))
    for line in body.splitlines():
        text = line.split("\t")[0]
        known = {}

        def firings(zone, change, key):
            if None in known.values():
                return None
            if key not in known:
                signal.setitimer(signal.ITIMER_VIRTUAL, 10)
                try:
                    known[key] = around(said(text), zone, change)
                except Exception:
                    known[key] = None
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            return known[key]

        digests = []
        for zone, there in zones:
            found = [(change, firings(zone, change, key)) for change, key in there]
            digests.append(digest(change + at for change, it in found for at in it or []))
        if None in known.values():
            digests = "-"
        print(text, " ".join(digests), sep="\t", flush=True)


if __name__ == "__main__":
    sys.exit(main())
