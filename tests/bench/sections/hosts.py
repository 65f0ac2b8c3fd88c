"""Four hosts of two slots, one of them three times slower, 78 % load, open loop: the tail of the latency."""
import os

from kit import load, markdown, processes, servers, tools

NEEDS = ["nginx", "haproxy"]
USES_OSTLER = True
MINUTES = 20
MEANS_MS = [20, 20, 20, 60]
SLOTS = 2
RATE = 0.78 * sum(SLOTS * 1000 / mean for mean in MEANS_MS)


def run(group, settings):
    seconds, rounds = settings.seconds(20), settings.rounds(3)
    systems = peers(group)
    systems["Ostler, 4 runners joined"] = joined(group, settings.binary())
    points = {name: [] for name in systems}
    for turn, (name, port) in load.turns(systems.items(), rounds):
        point = load.script("tail.py", port, RATE, seconds, timeout=3 * seconds + 60)
        points[name].append(point)
        tools.say(f"{turn} {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in point.items()))
    return report(points)


def peers(group):
    hosts = [servers.slots(group, f"host{n}", SLOTS, mean, "exp") for n, mean in enumerate(MEANS_MS)]
    front, ports = servers.nginx(group, "nginx", {"four": servers.keepalive("four", hosts, "least_conn;")})
    listed = [f"server h{n} 127.0.0.1:{port}" for n, port in enumerate(hosts)]
    limited = ["balance leastconn"] + [f"{line} maxconn {SLOTS}" for line in listed]
    late, late_ports = servers.haproxy(group, {"least": ["balance leastconn"] + listed, "late": limited})
    group.wait_for("nginx", lambda: servers.answers(ports["four"][0]), front)
    group.wait_for("haproxy", lambda: all(map(servers.answers, late_ports.values())), late)
    return {
        "nginx, least_conn": ports["four"][0],
        "HAProxy, leastconn": late_ports["least"],
        "HAProxy, maxconn 2": late_ports["late"],
    }


def joined(group, binary):
    """A gateway, and four runners that join it with a token as other hosts do."""
    port, door = processes.free_port(), processes.free_port()
    state = os.path.join(group.folder, "gateway")
    file = servers.config(group.folder, "gateway.toml", f"""
[listen]
http = "127.0.0.1:{port}"
https = "off"
api = "off"
runners = "127.0.0.1:{door}"
[log]
access = "off"
[app.app]
[[route]]
path = "/"
to = "app:app"
tenant = "none"
""")
    gateway = group.start("gateway", [binary, "gateway", "--config", file, "--state", state])
    # What it says when everything is bound and made, its authority included.
    group.wait_for("ostler gateway", lambda: f":{door}" in group.log(gateway.label), gateway)
    create = [binary, "token", "join", "--state", state, "--uses", str(len(MEANS_MS)), "--address", f"127.0.0.1:{door}"]
    token = load.run(create, timeout=20).strip().splitlines()[-1]
    for number, mean in enumerate(MEANS_MS):
        runner(group, binary, number, mean, token)
    group.wait_for("an answer through the runners", lambda: servers.answers(port), gateway)
    return port


def runner(group, binary, number, mean, token):
    name = f"host{number + 1}"
    file = servers.config(group.folder, name + ".toml", f"""
[app.app]
serve = "wsgi:slow:app"
root = {servers.toml(servers.APPS)}
python = {servers.toml(tools.python())}
children = {SLOTS}
""")
    state = os.path.join(group.folder, name)
    env = {"BENCH_MEAN_MS": str(mean), "BENCH_SPREAD": "exp", "OSTLER_JOIN": token, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [binary, "runner", "--config", file, "--name", name, "--state", state]
    process = group.start("runner-" + name, command, env=env)
    group.wait_for(f"runner {name}", lambda: group.log(process.label).count("child ready") == SLOTS, process)


def report(points):
    best = markdown.median([turn["p99"] for turn in points["HAProxy, maxconn 2"]])
    rows = []
    for name, turns in points.items():
        p99 = [turn["p99"] for turn in turns]
        p50, p90 = (markdown.median([turn[key] for turn in turns]) for key in ("p50", "p90"))
        rows.append([name, f"{p50:.1f}", f"{p90:.1f}", markdown.spread(p99), f"**{markdown.median(p99) / best:.2f}**",
                     sum(turn["requests"] for turn in turns), sum(turn["errors"] for turn in turns)])
    header = ["system", "p50 ms", "p90", "p99", "p99 / HAProxy maxconn 2", "requests", "errors"]
    return f"{RATE:.0f} requests/s.\n\n" + markdown.table(header, rows)
