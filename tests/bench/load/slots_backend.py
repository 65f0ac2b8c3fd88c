"""An HTTP/1.1 host of C one-at-a-time slots with FIFO waiting: slots_backend.py PORT SLOTS MEAN_MS fixed|exp

What the peers have behind them where Ostler has children: no code of a peer decides what happens here.
"""
import asyncio
import random
import sys


async def serve(port, slots, mean, spread):
    free = asyncio.Semaphore(slots)

    async def connection(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                async with free:
                    await asyncio.sleep(random.expovariate(1 / mean) if spread == "exp" else mean)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000, sys.argv[4]))
