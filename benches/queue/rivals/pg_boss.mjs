// pg-boss: `prepare URL` makes its tables, `work URL WORKERS BATCH` runs empty jobs until it is killed.
import { PgBoss } from "pg-boss";

const [, , what, connectionString, workers, batch] = process.argv;
const concurrency = Number(workers ?? 1);
const boss = new PgBoss({ connectionString, max: concurrency + 4, supervise: false, schedule: false });
boss.on("error", (error) => console.error(error));
await boss.start();
if (what === "prepare") {
  await boss.createQueue("nothing");
  await boss.stop({ graceful: false });
} else {
  // Its loop of its own waits half a second at the least between two fetches, so its own calls are looped here.
  const batchSize = Number(batch);
  const worker = async () => {
    for (;;) {
      const jobs = await boss.fetch("nothing", { batchSize });
      if (jobs.length === 0) await new Promise((resume) => setTimeout(resume, 100));
      else await boss.complete("nothing", jobs.map((job) => job.id));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
