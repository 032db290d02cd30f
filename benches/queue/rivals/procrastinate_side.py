"""procrastinate: `prepare URL` makes its tables, `work URL WORKERS` runs empty jobs until it is killed."""

import asyncio
import sys

import procrastinate

what, url, *rest = sys.argv[1:]
workers = int(rest[0]) if rest else 1
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=url, min_size=workers, max_size=workers + 4)
)


@app.task(name="nothing")
async def nothing():
    pass


async def main():
    async with app.open_async():
        if what == "prepare":
            await app.schema_manager.apply_schema_async()
        else:
            await app.run_worker_async(concurrency=workers, install_signal_handlers=False)


asyncio.run(main())
