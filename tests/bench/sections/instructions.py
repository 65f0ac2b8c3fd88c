"""Instructions of the hot paths, counted by callgrind: exact, so that a change shows whatever else the machine does."""
import os
import re
import shutil

from kit import load, markdown, processes, tools

NEEDS = ["valgrind"]
USES_OSTLER = False
MINUTES = 30
COMMITTED = os.path.join(tools.HERE, "instructions.tsv")
TIMES = 100_000
SHAPE_TIMES = 1000
# Heads of 31 KiB that a reader could take badly: each costs about what the first does, or is refused.
SHAPES = [
    "fields", "value", "names", "cookies", "connection", "commas", "forwarded-for", "forwarded", "same-name", "accept", "escapes", "slashes", "query",
]
# What comes on a connection in 31 KiB, whole and in the smallest pieces.
STREAMS = ["body", "chunks", "chunks of a byte", "chunk extensions", "trailers", "a head byte by byte"]
# Row, package with an example `count` that does the work TIMES times, and its arguments.
ROWS = [
    ("frame codec: a request and its answer, each written and read", "ostler-wire", []),
    ("scheduler: a job in and out, 1,000 waiting", "ostler-scheduler", []),
    ("scheduler: a job in and out, a slot free", "ostler-scheduler", ["at-once"]),
    ("gateway: a request head to its frame", "ostler-gateway", []),
    ("gateway: a request through its pool, a slot free", "ostler-gateway", ["pool"]),
    ("gateway: a request through its pool, 1,000 waiting", "ostler-gateway", ["pool", "1000"]),
] + [("gateway: a head of 31 KiB: " + shape, "ostler-gateway", [shape]) for shape in SHAPES] + [
    ("gateway: a connection reads 31 KiB: " + shape, "ostler-gateway", [shape]) for shape in STREAMS
]


def run(group, settings):
    programs = {package: program(package, group.folder) for package in dict.fromkeys(row[1] for row in ROWS)}
    counted, start = {}, 0
    if programs["ostler-gateway"]:
        start = collected(programs["ostler-gateway"], ["start"], group.folder)
    for name, package, arguments in ROWS:
        if programs[package]:
            # Streams are read without a gateway, and a pool stands by itself.
            once = start if package == "ostler-gateway" and arguments[:1] not in ([it] for it in [*STREAMS, "pool"]) else 0
            times = SHAPE_TIMES if arguments and arguments[0] in SHAPES + STREAMS else TIMES
            counted[name] = round((collected(programs[package], arguments, group.folder) - once) / times)
            tools.say(f"{name}: {counted[name]}")
    before = committed()
    if settings.options.write:
        with open(COMMITTED, "w") as file:
            file.writelines(f"{name}\t{number}\n" for name, number in counted.items())
    return report(counted, before)


def program(package, folder):
    """The built example, copied because each package's has the same name; none when it has no such example."""
    source = os.path.join(tools.ROOT, package.split("-", 1)[1], "examples", "count.rs")
    if not os.path.exists(source):
        tools.say(f"{package} has no examples/count.rs: left out")
        return None
    built = os.path.join(tools.build(package, "--example", "count"), "examples", "count")
    return shutil.copy(built, os.path.join(folder, package))


def collected(program, arguments, folder):
    out = "--callgrind-out-file=" + os.path.join(folder, "callgrind.out")
    log = os.path.join(folder, "callgrind.log")
    load.run(["valgrind", "--tool=callgrind", out, "--log-file=" + log, program, *arguments], timeout=600)
    with open(log) as file:
        text = file.read()
    found = re.search(r"Collected : (\d+)", text)
    if not found:
        raise processes.Failed("callgrind counted nothing:\n" + text)
    return int(found.group(1))


def committed():
    try:
        with open(COMMITTED) as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
    except FileNotFoundError:
        return {}
    return {name: int(number) for name, number in rows}


def report(counted, before):
    rows = []
    for name, number in counted.items():
        old = before.get(name)
        change = "new" if old is None else f"{(number - old) / old:+.1%}"
        rows.append([name, f"**{number:,}**", "" if old is None else f"{old:,}", change])
    rustc = tools.output(["rustc", "--version"], cwd=tools.ROOT).split()[1]
    table = markdown.table(["path", "instructions", "committed", "change"], rows)
    return table + f"\nrustc {rustc}.\n"
