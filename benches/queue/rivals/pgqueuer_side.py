"""PgQueuer: `prepare URL` makes its tables, `work URL WORKERS BATCH` runs empty jobs until it is killed."""

import asyncio
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

what, url, *rest = sys.argv[1:]


async def prepare():
    connection = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()


async def one_worker(batch):
    connection = await asyncpg.connect(url)
    queue = PgQueuer(AsyncpgDriver(connection))

    @queue.entrypoint("nothing")
    async def nothing(job):
        pass

    await queue.run(batch_size=batch)


async def work(workers, batch):
    await asyncio.gather(*(one_worker(batch) for _ in range(workers)))


if what == "prepare":
    asyncio.run(prepare())
else:
    asyncio.run(work(int(rest[0]), int(rest[1])))
