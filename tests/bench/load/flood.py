"""One tenant floods, another asks one thing at a time: flood.py PORT CONNECTIONS SECONDS

Prints JSON with the second tenant's latencies in ms, alone and then beside the flood. The tenant is in x-tenant.
"""
import asyncio
import json
import sys
import time

from http1 import GONE, ask, get, percentile


async def client(port, tenant, stop, pause=0.0):
    latencies, errors, stream = [], 0, None
    request = get("localhost", f"x-tenant: {tenant}\r\n")
    while time.perf_counter() < stop:
        began = time.perf_counter()
        try:
            stream = stream or await asyncio.open_connection("127.0.0.1", port)
            status, open_still = await ask(*stream, request)
        except GONE:
            status, open_still = 0, False
        latencies.append((time.perf_counter() - began) * 1000)
        errors += status != 200
        if not open_still and stream:
            stream[1].close()
            stream = None
        # A refused client does not spin.
        await asyncio.sleep(pause if status == 200 else max(pause, 0.01))
    if stream:
        stream[1].close()
    return latencies, errors


async def load(port, connections, seconds):
    alone, alone_errors = await client(port, "b", time.perf_counter() + seconds, 0.02)
    stop = time.perf_counter() + seconds
    flood = [client(port, "a", stop) for _ in range(connections)]
    (beside, errors), *flooded = await asyncio.gather(client(port, "b", stop, 0.02), *flood)
    return {
        "alone_p50": percentile(alone, 0.5),
        "alone_p99": percentile(alone, 0.99),
        "beside_p50": percentile(beside, 0.5),
        "beside_p99": percentile(beside, 0.99),
        "errors": alone_errors + errors,
        "flood_rate": sum(len(latencies) - bad for latencies, bad in flooded) / seconds,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
