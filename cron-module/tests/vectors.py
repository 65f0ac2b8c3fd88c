#!/usr/bin/env python3
"""Makes vectors.txt: when cronsim fires about every change of the clocks in forty zones and ten years.

    pip install cronsim==2.8 tzdata==2026.6 && PYTHONTZPATH= python3 vectors.py > vectors.txt

A line has an expression and, for each zone, a digest of its firings: FNV-1a over the seconds since the epoch, as decimal numbers with a
line feed after each. The zones and the changes are in the first lines.

Of an expression whose minute or hour begins with a star the firings are those of its times of day in each stretch between two changes, as
cronsim has them without a zone: with one it loses some where clocks are set by half an hour or at midnight, or never comes back. A `!`
follows where it does.
"""

import datetime as dt
import random
import signal
import sys
import zoneinfo

from cronsim import CronSim

ZONES = """
Europe/Berlin Europe/London Europe/Dublin Europe/Lisbon Europe/Chisinau Europe/Istanbul Europe/Moscow Europe/Volgograd
America/New_York America/Chicago America/Denver America/Los_Angeles America/Anchorage America/Adak America/St_Johns America/Havana
America/Santiago America/Asuncion America/Sao_Paulo America/Mexico_City America/Godthab America/Miquelon America/Caracas America/Port-au-Prince
Africa/Casablanca Africa/Cairo Africa/Khartoum Africa/Windhoek Asia/Gaza Asia/Beirut Asia/Amman Asia/Tehran
Asia/Jerusalem Asia/Pyongyang Asia/Famagusta Australia/Lord_Howe Australia/Sydney Pacific/Auckland Pacific/Chatham Pacific/Apia
""".split()
FROM, TO = dt.datetime(2015, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
DAYS = dt.timedelta(days=3)


def offset(zone, at):
    return at.astimezone(zone).utcoffset()


def changes(zone):
    """The moments at which clocks are set, by halving the hours in which they are."""
    at, found = FROM, []
    while at < TO:
        after = at + dt.timedelta(hours=1)
        if offset(zone, at) != offset(zone, after):
            low, high = at, after
            while high - low > dt.timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(zone, low) == offset(zone, middle) else (low, middle)
            found.append(high.replace(microsecond=0))
        at = after
    return found


def is_frequent(text):
    """Whether it means something and fires each year, or it takes long to find out that it does not fire about a change."""
    try:
        times = CronSim(text, FROM.replace(tzinfo=None))
        return next(times).year < 2017 and next(times).year < 2018
    except Exception:
        return False


def expressions():
    """Those that people write about the hours in which clocks are set, and random ones; none that fires every minute all day."""
    chance = random.Random(1)
    found = ["0 0 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *", "0 2 * * *", "30 2 * * *", "59 2 * * *", "0 3 * * *", "30 23 * * *"]
    found += ["0,15,30,45 1-3 * * *", "10-50/10 0-4 * * *", "*/15 * * * *", "0 * * * *", "30 * * * *", "*/20 2 * * *", "0 */2 * * *"]
    found += ["0 0 * * 0", "30 1 * * SUN", "30 2 * * SUN", "0 0 1 * *", "0 0 L * *", "30 1 L * *", "30 2 * * 0L", "30 2 * * SUN#2", "15 1 LW * *"]
    found += ["0 0,1,2,3,23 * * SAT,SUN", "5 0-23/3 * * *", "45 1,2 * 3,4,9,10,11 *", "30 2 8-14 3 *", "0 1 25-31 10 SUN", "*/30 1-3 * * SUN"]

    def number(low, high):
        return str(chance.randint(low, high))

    def few(low, high):
        kind = chance.randrange(4)
        if kind == 0:
            return number(low, high)
        if kind == 1:
            return ",".join(number(low, high) for _ in range(chance.randint(2, 4)))
        first = chance.randint(low, high - 1)
        last = chance.randint(first + 1, high)
        return f"{first}-{last}" + (f"/{chance.randint(2, 9)}" if kind == 2 else "")

    while len(found) < 320:
        minute = chance.choice([few(0, 59), number(0, 59), f"*/{chance.randint(5, 40)}"])
        hour = chance.choice([few(0, 5), few(0, 23), "*", f"*/{chance.randint(2, 12)}", number(0, 4)])
        if minute.startswith("*") or "-" in minute:
            hour = chance.choice([few(0, 5), number(0, 4), "*"]) if chance.random() < 0.7 else number(0, 23)
        day = chance.choice(["*"] * 6 + [few(1, 31), "L", f"*/{chance.randint(2, 9)}"])
        month = chance.choice(["*"] * 6 + [few(1, 12), "3,10", "*/2"])
        weekday = chance.choice(["*"] * 5 + [few(0, 6), "SUN", "SAT,SUN", "0L", "0#1", "0#2"])
        text = f"{minute} {hour} {day} {month} {weekday}"
        if text not in found and is_frequent(text):
            found.append(text)
    return found


def firings(text, zone, around):
    until = around + DAYS
    for at in CronSim(text, (around - DAYS).astimezone(zone)):
        moment = at.astimezone(dt.UTC)
        if moment > until:
            return
        yield int(moment.timestamp())


def is_by_elapsed(text):
    minute, hour = text.split()[:2]
    return minute.startswith("*") or hour.startswith("*")


def by_elapsed(text, zone, around, changes):
    start, end = around - DAYS, around + DAYS
    bounds = [start, *(at for at in changes if start < at <= end), end + dt.timedelta(seconds=1)]
    for first, last in zip(bounds, bounds[1:]):
        ahead = offset(zone, first)
        local = (first + ahead).replace(tzinfo=None)
        # What it is started with it leaves out, which is right at the beginning of all only.
        for at in CronSim(text, local if first == start else local - dt.timedelta(seconds=1)):
            moment = at.replace(tzinfo=dt.UTC) - ahead
            if moment >= last:
                break
            yield int(moment.timestamp())


class Stuck(Exception):
    pass


def stuck(*_):
    raise Stuck


def digest(numbers):
    it = 0xCBF29CE484222325
    for number in numbers:
        for byte in f"{number}\n".encode():
            it = ((it ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{it & 0xFFFFFFFF:08x}"


def main():
    signal.signal(signal.SIGVTALRM, stuck)
    zones = [(name, zoneinfo.ZoneInfo(name)) for name in ZONES]
    all_changes = [changes(zone) for _, zone in zones]
    for (name, _), there in zip(zones, all_changes):
        print(name, *(int(at.timestamp()) for at in there))
    print()
    for text in expressions():
        digests = []
        for (_, zone), there in zip(zones, all_changes):
            signal.setitimer(signal.ITIMER_VIRTUAL, 30)
            try:
                found = digest(number for at in there for number in firings(text, zone, at))
            except Stuck:
                found = "-"
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if is_by_elapsed(text):
                right = digest(number for at in there for number in by_elapsed(text, zone, at, there))
                found = right + ("" if right == found else "!")
            digests.append(found)
        print(text, *digests, sep="\t", flush=True)


if __name__ == "__main__":
    sys.exit(main())
