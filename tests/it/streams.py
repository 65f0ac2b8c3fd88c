#!/usr/bin/env python3
"""A child that takes several streams at once (docs/WIRE.md): /hold/NAME is answered when there is a file open-NAME, and let go of by RESET;
/keep/NAME by that file alone. /refuse is not begun."""

import mmap
import os
import socket
import struct
import threading
import time

HEADER = struct.Struct("<IBBHII")
END = 0x01
REQ, RSP, RESET = 0x01, 0x02, 0x05
HELLO, WELCOME, READY, PING, PONG, STOP, BYE, LANE = 0x40, 0x41, 0x42, 0x44, 0x45, 0x47, 0x48, 0x4E
CRITICAL = 0x80
NOT_STARTED = 5

lock = threading.Lock()
board = mmap.mmap(int(os.environ["OSTLER_BOARD_FD"]), 4096)
longs, words = memoryview(board).cast("Q"), memoryview(board).cast("I")
began = {}  # stream: when
unwanted = set()
calls = open("calls", "a", buffering=1)
most = 0


def show():
    """On the board: since when, and the highest stream of those that it is at, or the last."""
    longs[0] = 0
    if began:
        words[2] = max(began)
        longs[0] = min(began.values())


def head(*pairs):
    return "\0".join(part for pair in pairs for part in pair).encode()


def put(sock, kind, flags=0, code=0, stream=0, aux=0, head=b"", body=b""):
    sock.sendall(HEADER.pack(len(head) + len(body), kind, flags, code, stream, aux or len(head)) + head + body)


def frames(sock):
    """Every frame, with the descriptors that no earlier one has claimed."""
    data, fds = b"", []
    while True:
        while len(data) >= HEADER.size and len(data) >= HEADER.size + HEADER.unpack_from(data)[0]:
            length, kind, _, code, stream, aux = HEADER.unpack_from(data)
            payload, data = data[HEADER.size:HEADER.size + length], data[HEADER.size + length:]
            yield kind, code, stream, aux, payload, fds
        more, came, _, _ = socket.recv_fds(sock, 65536, 16)
        fds.extend(came)
        if not more:
            return
        data += more


def answer(lane, stream, path):
    global most
    name = path.rpartition("/")[2] if path.startswith(("/hold/", "/keep/")) else ""
    while name and not os.path.exists("open-" + name) and (path.startswith("/keep/") or stream not in unwanted):
        time.sleep(0.005)
    with lock:
        body = f"{os.getpid()} {most}".encode()
        del began[stream]
        show()
        put(lane, RSP, END, 200, stream, head=head(("Content-Type", "text/plain")), body=body)


def serve(lane):
    global most
    for kind, _, stream, aux, payload, _ in frames(lane):
        if kind == RESET:
            unwanted.add(stream)
        elif kind == REQ:
            parts = payload[:aux].decode("latin-1").split("\0")
            path = dict(zip(parts[::2], parts[1::2]))["PATH_INFO"]
            with lock:
                if path == "/refuse":
                    put(lane, RESET, code=NOT_STARTED, stream=stream)
                    continue
                began[stream] = time.monotonic_ns()
                most = max(most, len(began))
                show()
                calls.write(f"GET {path}\n")
            threading.Thread(target=answer, args=(lane, stream, path), daemon=True).start()


def open_lane(fd, number):
    words[2], words[10] = 0, number
    threading.Thread(target=serve, args=(socket.socket(fileno=fd),), daemon=True).start()


control = socket.socket(fileno=int(os.environ["OSTLER_CTL_FD"]))
said = [tuple(line.split()) for line in open("hello")]
put(control, HELLO, CRITICAL, 1, head=head((":lang", "test"), (":kinds", "http"), (":env", "cgi"), (":lanes", "1"), *said))
for kind, code, _, aux, payload, fds in frames(control):
    if kind == WELCOME:
        open_lane(int(os.environ["OSTLER_LANE_FDS"]), 1)
        put(control, READY)
    elif kind == PING:
        put(control, PONG, aux=aux)
    elif kind == LANE:
        parts = payload[:aux].decode().split("\0")
        open_lane(fds.pop(0), int(dict(zip(parts[::2], parts[1::2]))[":number"]))
    elif kind == STOP:
        put(control, BYE, code=4)
        break
