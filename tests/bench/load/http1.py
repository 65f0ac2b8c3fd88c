"""One request and its answer over an asyncio stream: as little HTTP as the load generators need."""
import asyncio

GONE = (ConnectionError, asyncio.IncompleteReadError)


def get(host, headers=""):
    return f"GET / HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()


async def ask(reader, writer, request):
    """The status, and whether the connection lives on."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    low = head.lower()
    at = low.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(low[at + 15 : low.index(b"\r\n", at)]))
    return int(head.split(b" ", 2)[1]), b"connection: close" not in low


def percentile(values, share):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
