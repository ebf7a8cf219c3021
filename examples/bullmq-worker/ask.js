// Puts one question into the queue and prints the answer. An app's server would do this in its route.
//   echo '{"lease": "kfl_…", "model": "gpt-4o-mini", "prompt": "Hello"}' | node ask.js
// By standard input, because everybody on the machine can read arguments.
import { text } from "node:stream/consumers";
import { Queue, QueueEvents } from "bullmq";
import { QUEUE, connection } from "./queue.js";

const queue = new Queue(QUEUE, { connection });
const events = new QueueEvents(QUEUE, { connection });
await events.waitUntilReady();
try {
  const { lease, model, prompt } = JSON.parse(await text(process.stdin));
  const job = await queue.add("question", { lease, model, prompt }, { attempts: 3, backoff: { type: "exponential", delay: 1_000 } });
  console.log(await job.waitUntilFinished(events));
} catch (error) {
  console.error(error instanceof Error ? error.message : "failed");
  process.exitCode = 1;
} finally {
  await events.close();
  await queue.close();
}
