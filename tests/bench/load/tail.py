"""Open-loop Poisson load: tail.py PORT RATE SECONDS; prints JSON with latencies in ms from the planned send time."""
import asyncio
import json
import random
import sys
import time

from http1 import GONE, ask, get, percentile


async def load(port, rate, seconds):
    idle, latencies, errors = [], [], 0
    request = get("localhost")

    async def one(planned):
        nonlocal errors
        try:
            stream = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
            status, open_still = await ask(*stream, request)
        except GONE:
            errors += 1
            return
        errors += status != 200
        latencies.append((time.perf_counter() - planned) * 1000)
        if open_still:
            idle.append(stream)
        else:
            stream[1].close()

    random.seed(7)
    planned = time.perf_counter()
    end = planned + seconds
    tasks = []
    while planned < end:
        planned += random.expovariate(rate)
        await asyncio.sleep(max(0, planned - time.perf_counter()))
        tasks.append(asyncio.create_task(one(planned)))
    await asyncio.gather(*tasks)
    return {
        "requests": len(tasks),
        "errors": errors,
        "p50": percentile(latencies, 0.5),
        "p90": percentile(latencies, 0.9),
        "p99": percentile(latencies, 0.99),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
