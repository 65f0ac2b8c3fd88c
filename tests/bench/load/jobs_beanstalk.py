#!/usr/bin/env python3
"""Jobs through beanstalkd: put in pipelined batches, reserved and deleted one at a time by one worker.

usage: jobs_beanstalk.py PORT JOBS BATCH; prints JSON"""
import json
import os
import socket
import sys
import time


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, connection.makefile("rb", 1 << 20)


def work(port, jobs):
    connection, file = connect(port)
    done = 0
    connection.sendall(b"reserve\r\n")
    while done < jobs:
        words = file.readline().split()
        if words[0] == b"RESERVED":
            file.read(int(words[2]) + 2)
            done += 1
            connection.sendall(b"delete " + words[1] + b"\r\nreserve\r\n")


def main(port, jobs, batch):
    worker = os.fork()
    if worker == 0:
        work(port, jobs)
        os._exit(0)
    connection, file = connect(port)
    begin, one = time.monotonic(), b"put 1000 0 60 100\r\n" + b"x" * 100 + b"\r\n"
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
