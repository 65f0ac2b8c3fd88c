"""Opens connections, asks one thing on each and keeps them: idle.py PORT CONNECTIONS plain|tls

Prints how many are open when all have had their answer, and ends when its standard input does.
"""
import asyncio
import ssl
import sys

from http1 import ask, get

AT_ONCE = 32
# Each client address has about 28,000 ports; several make room for runs in a row.
PER_ADDRESS = 4000


async def load(port, connections, tls):
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    gate, request, streams = asyncio.Semaphore(AT_ONCE), get("localhost"), []

    async def one(number):
        async with gate:
            source = (f"127.0.0.{2 + number // PER_ADDRESS}", 0)
            stream = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=source)
            status, open_still = await ask(*stream, request)
            if status == 200 and open_still:
                streams.append(stream)

    await asyncio.gather(*[one(number) for number in range(connections)])
    print(len(streams), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(load(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "tls"))
