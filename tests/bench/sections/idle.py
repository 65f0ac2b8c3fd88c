"""Memory of the gateway for each idle keep-alive connection that has had one answer."""
import os
import resource
import subprocess
import sys
import time

from kit import load, markdown, processes, servers, tools

NEEDS = ["nginx", "wrk", "granian", "openssl"]
USES_OSTLER = True
MINUTES = 10
PLAIN, TLS = 10_000, 1_000
# Descriptors of the load generator and of the front, beside the connections.
SPARE = 600


def run(group, settings):
    plain = raise_limit()
    peer = servers.app_servers(group, ["granian"], tls=True)[0]
    limits = '[limits]\nheader_timeout = "600s"\n'
    ostler = servers.ostler(group, settings.binary(), "hello:app", 2, tls=True, more=limits)
    # Only the front holds connections: nginx with its worker, and the process `ostler serve`.
    fronts = {"nginx": (peer, processes.tree([peer.roots[0]])), "Ostler": (ostler, {ostler.roots[0]})}
    rows = []
    for kind, count in (("plain", plain), ("tls", TLS)):
        for name, (server, pids) in fronts.items():
            # Warm, so that only the connections themselves are counted.
            load.run(load.wrk(server.url if kind == "plain" else server.tls_url, 32, 1), timeout=30)
            label = "cleartext" if kind == "plain" else "TLS"
            rows.append([name, label, f"{count:,}"] + held(group, server, pids, kind, count))
            tools.say(" ".join(rows[-1]))
    header = ["front", "connections", "open", "before MiB", "with them MiB", "KiB a connection", "10 s later"]
    return markdown.table(header, rows)


def raise_limit():
    """As many descriptors as may be; returns how many cleartext connections they are enough for."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    plain = PLAIN if hard == resource.RLIM_INFINITY else min(PLAIN, hard - SPARE)
    if plain < PLAIN:
        tools.say(f"only {plain} connections: the hard limit of open files is {hard}")
    return plain


def held(group, server, pids, kind, count):
    """Figures before, with all connections open and idle, and some time later."""
    before = processes.pss_kib(pids)
    port = server.port if kind == "plain" else server.tls_port
    script = os.path.join(tools.HERE, "load", "idle.py")
    client = group.start("idle-" + kind, [sys.executable, "-B", script, str(port), str(count), kind],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    opened = int(client.stdout.readline() or 0)
    if opened != count:
        raise processes.Failed(f"{server.name}: {opened} of {count} connections\n" + group.log("idle-" + kind)[-1500:])
    time.sleep(2)
    first = processes.pss_kib(pids)
    time.sleep(10)
    later = processes.pss_kib(pids)
    client.stdin.close()
    client.wait(timeout=30)
    time.sleep(1)
    return [f"{before / 1024:.1f}", f"{first / 1024:.1f}", f"**{(first - before) / count:.2f}**",
            f"{(later - before) / count:.2f}"]
