"""Processes that a section starts: their trees, what they use, and their end."""
import ctypes
import os
import signal
import socket
import subprocess
import time

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Failed(Exception):
    """A section cannot be measured; the text says why."""


def adopt_orphans():
    """Grandchildren whose parent died become ours, so that the end finds them."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents():
    """Parent of every process, with its CPU time in ticks."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), int(fields[11]), int(fields[12]))
    return found


def tree(roots, found=None):
    """The processes `roots` and all below them, in whatever session: only parents count."""
    found = found or parents()
    keep, grew = {pid for pid in roots if pid in found}, True
    while grew:
        more = {pid for pid, (parent, *_) in found.items() if parent in keep} - keep
        keep |= more
        grew = bool(more)
    return keep


def cpu_us(roots):
    """User and kernel time of each process in the trees, in microseconds."""
    found = parents()
    return {pid: (found[pid][1] * TICK_US, found[pid][2] * TICK_US) for pid in tree(roots, found)}


def status_kib(pid, name):
    """A figure of /proc/PID/status, such as VmHWM."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def pss_kib(pids):
    """Memory of processes; what several share is divided among them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """Processes of one section. All that they started is ended with them, by process id, whatever happens."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Neither a second Ctrl-C nor the section's alarm must stop the clearing up.
        signal.alarm(0)
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.end()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, name, command, cwd=None, env=None, **options):
        """Starts a program whose output goes to NAME.log; it dies with this process."""
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            options.setdefault("stdout", log)
            options.setdefault("stdin", subprocess.DEVNULL)
            process = subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env=dict(os.environ, **(env or {})),
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),
                **options,
            )
        process.label = name
        self.started.append(process)
        return process

    def log(self, name):
        try:
            with open(os.path.join(self.folder, name + ".log"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, what, ready, process=None, seconds=30):
        """Polls `ready` until it is true; an ended process or too long a wait shows the log's end."""
        until = time.monotonic() + seconds
        while not ready():
            ended = process and process.poll() is not None
            if ended or time.monotonic() > until:
                tail = self.log(process.label)[-1500:] if process else ""
                state = f"ended with {process.returncode}" if ended else f"not there in {seconds} s"
                raise Failed(f"{what}: {state}\n{tail}")
            time.sleep(0.05)

    def end(self):
        """TERM to what was started, KILL to what of it and below it is still there 8 s later."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + 8
        while time.monotonic() < until and self.left():
            time.sleep(0.05)
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until = time.monotonic() + 5
        while time.monotonic() < until and self.left():
            time.sleep(0.05)
        self.started.clear()

    def left(self):
        """All below this process, orphans that it adopted included, after collecting those that ended."""
        ours = {process.pid for process in self.started if process.poll() is None}
        me = os.getpid()
        for pid in tree([me]) - {me} - ours:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        return tree([me]) - {me}
