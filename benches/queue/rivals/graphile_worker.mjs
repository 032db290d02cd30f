// graphile-worker: `prepare URL` makes its tables, `work URL WORKERS BATCH` runs empty tasks until it is killed.
import { makeWorkerUtils, run, Logger } from "graphile-worker";

const [, , what, connectionString, workers, batch] = process.argv;
const logger = new Logger(() => () => {});
if (what === "prepare") {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.release();
} else {
  const concurrentJobs = Number(workers);
  const size = Number(batch);
  await run({
    connectionString,
    logger,
    noHandleSignals: true,
    taskList: { nothing: async () => {} },
    preset: {
      worker: {
        concurrentJobs,
        maxPoolSize: concurrentJobs + 4,
        pollInterval: 500,
        // Batched, it is asked for as its own documentation has it: a local queue, and completions together.
        ...(size > 1 ? { localQueue: { size }, completeJobBatchDelay: 1 } : {}),
      },
    },
  });
}
