"""Two hundred slow requests at the same time, in one thread: each is a task run of its own.

Run it: `python examples/async_fan_out.py`
"""

from __future__ import annotations

import asyncio
import json
import time

from dalsegno import flow, task

SHOPS = 200


@task(retries=2, task_run_name="stock of shop {shop}")
async def fetch_stock(port: int, shop: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /shops/{shop} HTTP/1.0\r\n\r\n".encode())
    _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return json.loads(body)["stock"]


@flow
async def count_stock(port: int) -> int:
    stocks = await asyncio.gather(*(fetch_stock(port, shop) for shop in range(SHOPS)))
    return sum(stocks)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A slow web server: it thinks for a tenth of a second, then says that shop N has N things in stock."""
    request = await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.1)
    shop = int(request.split()[1].rpartition(b"/")[2])
    body = json.dumps({"stock": shop}).encode()
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
    writer.close()


async def main() -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", backlog=SHOPS) as server:
        started = time.perf_counter()
        stock = await count_stock(server.sockets[0].getsockname()[1])
        seconds = time.perf_counter() - started
    print(f"{stock} things in {SHOPS} shops")
    print(f"{seconds:.1f} s, where one request after the other would have taken {SHOPS * 0.1:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
