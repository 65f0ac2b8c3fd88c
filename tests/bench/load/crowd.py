"""Eight clients that search all the time and find nothing, and eight that upload slowly: crowd.py API_PORT TOKEN

Says `at work` when each has had an answer or begun; prints how many searches were answered when its standard input ends.
"""
import asyncio
import sys

from http1 import GONE, ask

SEARCHES, UPLOADS = 8, 8


async def search(port, head, count, begun):
    while True:
        try:
            stream = await asyncio.open_connection("127.0.0.1", port)
            while True:
                request = f"GET /v1/jobs?text=nowhere-zz&limit=50 HTTP/1.1\r\n{head}\r\n"
                status, open_still = await ask(*stream, request.encode())
                assert status == 200, status
                count[0] += 1
                begun.set()
                if not open_still:
                    break
            stream[1].close()
        except GONE:
            pass


async def upload(port, head, begun):
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"PUT /v1/payloads HTTP/1.1\r\n{head}Content-Length: 100000000\r\n\r\n".encode())
            begun.set()
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
                await asyncio.sleep(0.1)
        except GONE:
            pass


async def main(port, token):
    head, count = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n", [0]
    begun = [asyncio.Event() for _ in range(SEARCHES + UPLOADS)]
    tasks = [asyncio.create_task(search(port, head, count, event)) for event in begun[:SEARCHES]]
    tasks += [asyncio.create_task(upload(port, head, event)) for event in begun[SEARCHES:]]
    await asyncio.gather(*(event.wait() for event in begun))
    print("at work", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(count[0], flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
