"""A hello-world WSGI app, two workers, 32 connections, cleartext: CPU per request of the whole system."""
from kit import load, markdown, servers, tools

NEEDS = ["nginx", "wrk", "uwsgi", "gunicorn", "granian"]
USES_OSTLER = True
MINUTES = 15
PEERS = ["gunicorn", "uWSGI", "granian"]
# What the project wants at least, and reaches for.
WANTED = {"nginx + gunicorn": "5, 7", "nginx + uWSGI": "1.5, 2", "nginx + granian": "1.25, 1.7"}


def run(group, settings):
    seconds, rounds = settings.seconds(4), settings.rounds(5)
    systems = servers.app_servers(group, PEERS)
    systems.append(servers.ostler(group, settings.binary(), "hello:app", 2))
    costs = {system.name: [] for system in systems}
    for system in systems:
        load.cpu_per_request(system.roots, load.wrk(system.url, 32, 1))
    for turn, system in load.turns(systems, rounds):
        cost = load.cpu_per_request(system.roots, load.wrk(system.url, 32, seconds))
        costs[system.name].append(cost)
        tools.say(f"{turn} {system.name}: {cost.total:.1f} us, {cost.rate:.0f}/s")
    return report(costs)


def report(costs):
    ours = markdown.median([cost.total for cost in costs["Ostler"]])
    rows = []
    for name, points in costs.items():
        total = [cost.total for cost in points]
        user, kernel = (markdown.median([getattr(cost, part) for cost in points]) for part in ("user", "kernel"))
        ratio = "" if name == "Ostler" else f"**{markdown.median(total) / ours:.2f}**"
        rows.append([name, markdown.spread(total), f"{user:.1f}", f"{kernel:.1f}",
                     f"{markdown.median([cost.rate for cost in points]):.0f}", ratio, WANTED.get(name, ""),
                     sum(cost.bad for cost in points)])
    header = ["system", "CPU us a request", "user", "kernel", "requests/s", "peer / Ostler", "wanted", "errors"]
    return markdown.table(header, rows)
