#!/usr/bin/env python3
"""Jobs through a Redis list: pushed in pipelined batches, popped by one worker that keeps one BLPOP under way.

usage: jobs_redis.py PORT JOBS BATCH; prints JSON"""
import json
import os
import socket
import sys
import time


def command(*parts):
    head = b"*%d\r\n" % len(parts)
    return head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, connection.makefile("rb", 1 << 20)


def work(port, jobs):
    connection, file = connect(port)
    pop = command(b"BLPOP", b"jobs", b"0")
    for _ in range(jobs):
        connection.sendall(pop)
        for _ in range(5):  # *2, $4, jobs, $100, the job
            file.readline()


def main(port, jobs, batch):
    worker = os.fork()
    if worker == 0:
        work(port, jobs)
        os._exit(0)
    connection, file = connect(port)
    begin, one = time.monotonic(), command(b"RPUSH", b"jobs", b"x" * 100)
    for at in range(0, jobs, batch):
        count = min(batch, jobs - at)
        connection.sendall(one * count)
        for _ in range(count):
            file.readline()
    submitted = time.monotonic()
    os.waitpid(worker, 0)
    done = time.monotonic()
    print(json.dumps({"submitted": jobs / (submitted - begin), "done": jobs / (done - begin)}))


main(*map(int, sys.argv[1:4]))
