"""Hello world alone, and with a process on each core that never waits and walks through the caches: CPU per request."""
import os

from kit import load, markdown, processes, servers, tools

NEEDS = ["nginx", "wrk", "h2load", "uwsgi", "openssl"]
USES_OSTLER = True
MINUTES = 25
LOADS = {
    "hello, 32 connections": lambda system, seconds: load.wrk(system.url, 32, seconds),
    "TLS h1, 32 connections": lambda system, seconds: load.wrk(system.tls_url, 32, seconds),
    "TLS h2, 8 connections x 16 streams": lambda system, seconds: load.h2load(system.tls_url, 8, 16, seconds),
    "TLS h2, 32 connections x 1 stream": lambda system, seconds: load.h2load(system.tls_url, 32, 1, seconds),
}
PLACES = ["alone", "beside neighbours"]


def run(group, settings):
    seconds, rounds = settings.seconds(4), settings.rounds(5)
    program = neighbour(group.folder)
    systems = servers.app_servers(group, ["uWSGI"], tls=True)
    systems.append(servers.ostler(group, settings.binary(), "hello:app", 2, tls=True))
    costs = {(kind, place, system.name): [] for kind in LOADS for place in PLACES for system in systems}
    for kind, command in LOADS.items():
        for place in PLACES:
            for system in systems:
                load.cpu_per_request(system.roots, command(system, 1))
            for turn, system in load.turns(systems, rounds):
                walkers = start(group, program, seconds) if place != "alone" else []
                cost = load.cpu_per_request(system.roots, command(system, seconds))
                stop(walkers)
                costs[kind, place, system.name].append(cost)
                tools.say(f"{turn} {kind}, {place}, {system.name}: {cost.total:.1f} us, {cost.rate:.0f}/s")
    return report(costs)


def neighbour(folder):
    """The built program."""
    built = os.path.join(folder, "neighbour")
    text = tools.output(["cc", "-O2", "-o", built, os.path.join(tools.HERE, "load", "neighbour.c")])
    if not os.path.exists(built):
        raise processes.Failed("neighbour.c did not compile:\n" + text)
    return built


def start(group, program, seconds):
    """One on each core; they end by themselves even if nobody ends them."""
    cores = sorted(os.sched_getaffinity(0))
    return [group.start("neighbour", [program, str(core), str(int(seconds) + 60)]) for core in cores]


def stop(walkers):
    for walker in walkers:
        walker.terminate()
        walker.wait()


def report(costs):
    rows = []
    for kind in LOADS:
        for place in PLACES:
            peer, ours = (markdown.median([cost.total for cost in costs[kind, place, name]])
                          for name in ("nginx + uWSGI", "Ostler"))
            alone = markdown.median([cost.total for cost in costs[kind, "alone", "Ostler"]])
            beside = "" if place == "alone" else f"**{ours / alone:.2f}**"
            points = [cost for name in ("nginx + uWSGI", "Ostler") for cost in costs[kind, place, name]]
            spreads = [markdown.spread([cost.total for cost in costs[kind, place, name]])
                       for name in ("nginx + uWSGI", "Ostler")]
            rows.append([f"{kind}, {place}", *spreads, f"**{peer / ours:.2f}**", beside,
                         sum(cost.bad for cost in points)])
    header = ["load", "nginx + uWSGI, CPU us a request", "Ostler", "peer / Ostler", "beside / alone", "errors"]
    return markdown.table(header, rows)
