#!/usr/bin/env python3
"""Background jobs through gearmand: submitted in pipelined batches, done by one worker that keeps several grabs under way.

usage: jobs_gearman.py PORT JOBS BATCH; prints JSON"""
import json
import os
import socket
import struct
import sys
import time

CAN_DO, NO_JOB, PRE_SLEEP, NOOP, GRAB_JOB, JOB_ASSIGN, WORK_COMPLETE, SUBMIT_BG = 1, 10, 4, 6, 9, 11, 13, 18


def packet(kind, *parts):
    data = b"\0".join(parts)
    return b"\0REQ" + struct.pack(">II", kind, len(data)) + data


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, connection.makefile("rb", 1 << 20)


def read(file):
    head = file.read(12)
    kind, length = struct.unpack(">II", head[4:])
    return kind, file.read(length) if length else b""


def work(port, jobs):
    connection, file = connect(port)
    grab, done = packet(GRAB_JOB), 0
    connection.sendall(packet(CAN_DO, b"noop") + grab)
    while done < jobs:
        kind, data = read(file)
        if kind == JOB_ASSIGN:
            handle, _, load = data.split(b"\0", 2)
            done += 1
            connection.sendall(packet(WORK_COMPLETE, handle, load) + grab)
        elif kind == NO_JOB:
            connection.sendall(packet(PRE_SLEEP))
        elif kind == NOOP:
            connection.sendall(grab)


def main(port, jobs, batch):
    worker = os.fork()
    if worker == 0:
        work(port, jobs)
        os._exit(0)
    connection, file = connect(port)
    begin, one = time.monotonic(), packet(SUBMIT_BG, b"noop", b"", b"x" * 100)
    for at in range(0, jobs, batch):
        count = min(batch, jobs - at)
        connection.sendall(one * count)
        for _ in range(count):
            read(file)
    submitted = time.monotonic()
    os.waitpid(worker, 0)
    done = time.monotonic()
    print(json.dumps({"submitted": jobs / (submitted - begin), "done": jobs / (done - begin)}))


main(*map(int, sys.argv[1:4]))
