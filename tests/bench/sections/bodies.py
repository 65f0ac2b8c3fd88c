"""Peak memory of Ostler's processes during a 1 GiB upload and a 1 GiB download."""
import http.client
import shutil
import time

from kit import markdown, processes, servers, tools

NEEDS = []
USES_OSTLER = True
MINUTES = 10
GIB = 1 << 30
PIECE = b"x" * (1 << 18)


def run(group, settings):
    size = GIB // 16 if settings.options.quick else GIB
    if shutil.disk_usage(group.folder).free < 2 * size:
        raise processes.Failed(f"the spool needs {2 * size >> 20} MiB of disk in {group.folder}")
    server = servers.ostler(group, settings.binary(), "bodies:app", 2)
    rows = []
    for name, move in (("upload", upload), ("download", download)):
        pids = {"gateway": server.roots[0]}
        for pid in processes.tree(server.roots) - {server.roots[0]}:
            pids[f"other {pid}"] = pid
        before = processes.status_kib(server.roots[0], "VmRSS")
        for pid in pids.values():
            reset_peak(pid)
        began = time.monotonic()
        move(server.port, size)
        took = time.monotonic() - began
        peaks = {label: processes.status_kib(pid, "VmHWM") / 1024 for label, pid in pids.items()}
        gateway = peaks.pop("gateway")
        rows.append([f"{name}, {size >> 20} MiB", f"{before / 1024:.1f}", f"**{gateway:.1f}**",
                     f"{max(peaks.values()):.1f}", f"{size / took / (1 << 20):.0f}"])
        tools.say(" ".join(rows[-1]))
    header = ["", "gateway before, MiB", "gateway's peak, MiB", "peak of runner or child, MiB", "MiB/s"]
    return markdown.table(header, rows)


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def upload(port, size):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    pieces = (PIECE for _ in range(size // len(PIECE)))
    connection.request("POST", "/", body=pieces, headers={"Content-Length": str(size)})
    counted = connection.getresponse().read().strip()
    if counted != str(size).encode():
        raise processes.Failed(f"the app counted {counted!r} of {size} bytes")
    connection.close()


def download(port, size):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/{size}")
    answer, got = connection.getresponse(), 0
    while True:
        piece = answer.read(len(PIECE))
        if not piece:
            break
        got += len(piece)
    if got != size:
        raise processes.Failed(f"{got} of {size} bytes came")
    connection.close()
