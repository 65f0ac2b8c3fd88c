"""Durable jobs: the path alone with jobs that do nothing, shell jobs, single submits, a million that wait."""
import json
import os
import shutil
import time

from kit import load, markdown, processes, tools

NEEDS = ["gearmand", "beanstalkd", "redis-server"]
USES_OSTLER = True
MINUTES = 20
NOOP = {"module": "noop"}
BATCH = 100


class System:
    def __init__(self, name, keeps, roots, measure):
        self.name, self.keeps, self.roots, self.measure = name, keeps, roots, measure
        self.turns = []


class Ostler:
    """`ostler serve --no-app`, its token, and what it wrote."""

    def __init__(self, group, binary, name, slots, env=None):
        self.group, self.binary, self.name, self.slots, self.env = group, binary, name, slots, env
        self.state = os.path.join(group.folder, name)
        self.start()

    def start(self):
        self.port = processes.free_port()
        config = os.path.join(self.group.folder, self.name + ".toml")
        with open(config, "w") as file:
            file.write(f'[listen]\nhttp = "off"\nhttps = "off"\nrunners = "off"\n[runner]\njob_slots = {self.slots}\n')
        command = [self.binary, "serve", "--no-app", "--config", config, "--state", self.state]
        command += ["--api", f"127.0.0.1:{self.port}"]
        begin = time.monotonic()
        self.process = self.group.start(self.name, command, env=self.env)
        self.group.wait_for(self.name, self.is_ready, self.process, seconds=60)
        self.started_in = time.monotonic() - begin

    def is_ready(self):
        try:
            return b"200" in tools_get(self.port, "/readyz")
        except OSError:
            return False

    def token(self):
        with open(os.path.join(self.state, "api.token")) as file:
            return file.read().strip()

    def load(self, way, *arguments, timeout=600):
        return load.script("jobs_ostler.py", way, self.port, self.token(), *arguments, timeout=timeout)

    def metric(self, name):
        text = tools_get(self.port, "/metrics").decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)

    def written(self):
        with open(f"/proc/{self.process.pid}/io") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def tools_get(port, path):
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def run(group, settings):
    jobs = 20_000 if settings.options.quick else 60_000
    ours = Ostler(group, settings.binary(), "ostler", 64)
    systems = [System("Ostler", "fsync before the answer", [ours.process.pid],
                      lambda: ours.load("batches", jobs, BATCH, json.dumps(NOOP)))]
    systems += peers(group, jobs)
    extra = {}
    for turn, system in load.turns(systems, settings.rounds(3)):
        before, written = processes.cpu_us(system.roots), ours.written()
        commits = ours.metric("ostler_store_commit_seconds_count")
        figures = system.measure()
        used = sum(processes.cpu_us(system.roots)[pid][kind] - before.get(pid, (0, 0))[kind]
                   for pid in processes.cpu_us(system.roots) for kind in (0, 1))
        system.turns.append((figures["submitted"], figures["done"], used / jobs))
        if system.name == "Ostler":
            extra.setdefault("bytes", []).append((ours.written() - written) / jobs)
            extra.setdefault("commits", []).append(
                (ours.metric("ostler_store_commit_seconds_count") - commits) / jobs)
        tools.say(f"{turn} {system.name}: {figures['done']:.0f}/s, {used / jobs:.1f} us a job")
    return report(systems, extra, singles(ours, settings), waiting(group, settings))


def peers(group, jobs):
    found = []

    def peer(name, keeps, command, script, **options):
        port = processes.free_port()
        process = group.start(name.replace(" ", "-").replace(",", ""), [part.format(port=port) for part in command], **options)
        group.wait_for(name, lambda: is_open(port), process)
        found.append(System(name, keeps, [process.pid], lambda: load.script(script, port, jobs, BATCH, timeout=300)))

    log = os.path.join(group.folder, "binlog")
    os.makedirs(log)
    peer("gearmand", "nothing", ["gearmand", "--listen", "127.0.0.1", "--port", "{port}", "--log-file", "stderr"], "jobs_gearman.py")
    user = ["-u", "root"] if os.geteuid() == 0 else []
    peer("beanstalkd, fsync", "fsync of each put",
         ["beanstalkd", "-l", "127.0.0.1", "-p", "{port}", "-b", log, "-f", "0", *user], "jobs_beanstalk.py")
    peer("beanstalkd", "nothing", ["beanstalkd", "-l", "127.0.0.1", "-p", "{port}", *user], "jobs_beanstalk.py")
    redis = ["redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--dir", group.folder]
    peer("Redis list", "nothing", redis, "jobs_redis.py")
    peer("Redis list, fsync", "fsync of each round",
         [*redis, "--appendonly", "yes", "--appendfsync", "always"], "jobs_redis.py")
    return found


def is_open(port):
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def singles(ours, settings):
    seconds = settings.seconds(10)
    shell = ours.load("batches", 500 if settings.options.quick else 4000, BATCH, json.dumps({"argv": ["true"]}))
    acks = ours.load("single", seconds, 1000, json.dumps(NOOP))
    start = ours.load("exec", 50 if settings.options.quick else 200)
    ours.stop()
    return shell, acks, start


def waiting(group, settings):
    jobs = 100_000 if settings.options.quick else 1_000_000
    ours = Ostler(group, settings.binary(), "waiting", 0)
    empty = processes.status_kib(ours.process.pid, "VmRSS")
    filled = ours.load("fill", jobs, 1000, json.dumps({"command": "make report"}), timeout=900)
    full = processes.status_kib(ours.process.pid, "VmRSS")
    size = sum(os.path.getsize(os.path.join(ours.state, name)) for name in os.listdir(ours.state)
               if name.startswith("jobs.db"))
    ours.stop()
    ours.start()
    again = processes.status_kib(ours.process.pid, "VmRSS")
    started = ours.started_in
    ours.stop()
    shutil.rmtree(ours.state, ignore_errors=True)
    return jobs, filled, (full - empty) * 1024 / jobs, (again - empty) * 1024 / jobs, size / jobs, started


def report(systems, extra, singles, waiting):
    ours = markdown.median([turn[1] for turn in systems[0].turns])
    rows = []
    for system in systems:
        submitted, done, cpu = zip(*system.turns)
        ratio = "" if system.name == "Ostler" else f"**{ours / markdown.median(done):.2f}**"
        rows.append([system.name, system.keeps, f"{markdown.median(submitted):,.0f}", markdown.spread(done, 0),
                     markdown.spread(cpu), ratio])
    header = ["system", "kept when acknowledged", "submitted a second", "done a second", "CPU us a job of the servers",
              "Ostler / peer"]
    text = markdown.table(header, rows)
    shell, acks, start = singles
    jobs, filled, memory, again, size, started = waiting
    facts = [
        ["bytes written a job", f"{markdown.median(extra['bytes']):,.0f}", ""],
        ["commits (one fsync each) a job", f"{markdown.median(extra['commits']):.4f}", ""],
        ["shell jobs (`true`), submit to done, a second", f"**{shell['done']:,.0f}**", "500"],
        ["single submits at 1,000 a second, acknowledged, p50 and p99", f"{acks['p50_ms']:.1f} ms, **{acks['p99_ms']:.1f} ms**", "p99 5 ms"],
        ["idle: submit to the command's first instruction, p50 and p95", f"{start['p50_ms']:.1f} ms, **{start['p95_ms']:.1f} ms**", "p95 10 ms"],
        [f"{jobs:,} waiting jobs: submitted a second", f"{filled['submitted']:,.0f}", ""],
        ["memory of each, as submitted and after a restart", f"{memory:.0f} B, {again:.0f} B", ""],
        ["store bytes of each", f"{size:.0f}", ""],
        ["restart until ready", f"**{started:.1f} s**", "3 s"],
    ]
    return text + "\n" + markdown.table(["what", "measured", "wanted"], facts)
