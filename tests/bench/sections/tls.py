"""The hello-world app over TLS, HTTP/1.1 and HTTP/2: CPU per request of the whole system."""
from kit import load, markdown, servers, tools

NEEDS = ["nginx", "wrk", "h2load", "uwsgi", "granian", "openssl"]
USES_OSTLER = True
MINUTES = 20
PEERS = ["granian", "uWSGI"]
LOADS = {
    "h1, 32 connections": lambda url, seconds: load.wrk(url, 32, seconds),
    "h2, 8 connections x 16 streams": lambda url, seconds: load.h2load(url, 8, 16, seconds),
    "h2, 32 connections x 1 stream": lambda url, seconds: load.h2load(url, 32, 1, seconds),
}


def run(group, settings):
    seconds, rounds = settings.seconds(4), settings.rounds(5)
    systems = servers.app_servers(group, PEERS, tls=True)
    systems.append(servers.ostler(group, settings.binary(), "hello:app", 2, tls=True))
    costs = {(kind, system.name): [] for kind in LOADS for system in systems}
    for kind, command in LOADS.items():
        for turn, system in load.turns(systems, rounds):
            cost = load.cpu_per_request(system.roots, command(system.tls_url, seconds))
            costs[kind, system.name].append(cost)
            tools.say(f"{turn} {kind}, {system.name}: {cost.total:.1f} us, {cost.rate:.0f}/s")
    return report(costs)


def report(costs):
    rows = []
    for (kind, name), points in costs.items():
        total = [cost.total for cost in points]
        ours = markdown.median([cost.total for cost in costs[kind, "Ostler"]])
        ratio = "" if name == "Ostler" else f"**{markdown.median(total) / ours:.2f}**"
        rows.append([f"{kind}: {name}", markdown.spread(total),
                     f"{markdown.median([cost.rate for cost in points]):.0f}", ratio,
                     sum(cost.bad for cost in points)])
    return markdown.table(["load: system", "CPU us a request", "requests/s", "peer / Ostler", "errors"], rows)
