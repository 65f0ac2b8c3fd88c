"""One tenant floods with 100 connections over 4 slots of 20 ms; what another tenant feels of it."""
from kit import load, markdown, servers, tools

NEEDS = ["nginx", "haproxy"]
USES_OSTLER = True
MINUTES = 15
FLOOD = 100


def run(group, settings):
    seconds, rounds = settings.seconds(10), settings.rounds(3)
    backend = servers.slots(group, "backend", 4, 20, "fixed")
    front, ports = servers.nginx(group, "nginx", {"one": servers.keepalive("one", [backend])})
    late, late_ports = servers.haproxy(group, {"one": [f"server a 127.0.0.1:{backend} maxconn 4"]})
    group.wait_for("nginx", lambda: servers.answers(ports["one"][0]), front)
    group.wait_for("haproxy", lambda: servers.answers(late_ports["one"]), late)
    route = 'tenant = "header:x-tenant"'
    env = {"BENCH_MEAN_MS": "20"}
    ostler = servers.ostler(group, settings.binary(), "slow:app", 4, route=route, env=env)
    systems = {"nginx": ports["one"][0], "HAProxy, maxconn 4": late_ports["one"], "Ostler": ostler.port}
    points = {name: [] for name in systems}
    for turn, (name, port) in load.turns(systems.items(), rounds):
        point = load.script("flood.py", port, FLOOD, seconds, timeout=4 * seconds + 60)
        points[name].append(point)
        tools.say(f"{turn} {name}: " + ", ".join(f"{key} {value:.1f}" for key, value in point.items()))
    return report(points)


def report(points):
    rows = []
    for name, turns in points.items():
        figure = {key: markdown.median([turn[key] for turn in turns]) for key in turns[0]}
        ratios = [turn["beside_p99"] / turn["alone_p99"] for turn in turns]
        rows.append([name, f"{figure['alone_p50']:.1f}", f"{figure['alone_p99']:.1f}",
                     f"{figure['beside_p50']:.1f}", f"{figure['beside_p99']:.1f}",
                     f"**{markdown.median(ratios):.1f}**", f"{figure['flood_rate']:.0f}",
                     sum(turn["errors"] for turn in turns)])
    header = ["system", "alone p50 ms", "alone p99", "beside p50", "beside p99", "p99 beside / alone",
              "flood's requests/s", "errors"]
    return markdown.table(header, rows)
