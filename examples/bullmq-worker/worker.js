// Answers questions from a queue, on the key of whoever asked. A job brings the handle of a lease; the
// key stays with the relay.
import { UnrecoverableError, Worker } from "bullmq";
import OpenAI from "openai";
import { QUEUE, connection } from "./queue.js";

const relay = process.env.KEYFERRY_RELAY ?? "http://localhost:8787";

const worker = new Worker(QUEUE, answer, { connection });
worker.on("completed", ({ id }) => console.log(`job ${id} completed`));
worker.on("failed", (job, error) => console.log(`job ${job?.id} failed: ${error.message}`));
worker.on("ready", () => console.log("waiting for jobs"));
process.once("SIGTERM", () => worker.close());

/** @param {import("bullmq").Job<{ lease?: string, model: string, prompt: string }, string>} job */
async function answer(job) {
  const { lease, ...question } = job.data;
  if (!lease) throw new UnrecoverableError("lease_gone");
  const openai = new OpenAI({
    baseURL: `${relay}/v1`,
    // The SDK insists on a key; the relay goes by the lease and drops this word.
    apiKey: "lease",
    defaultHeaders: { "X-BYOK-Lease": lease },
  });
  const { model, prompt } = question;
  try {
    const { choices } = await openai.chat.completions.create({ model, messages: [{ role: "user", content: prompt }] });
    await forget(job, lease);
    return choices[0]?.message.content ?? "";
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    // Later the lease is older still; what may pass is left to the queue's own attempts.
    if (!error.status || error.status === 429 || error.status >= 500) throw new Error(error.code ?? "unreachable");
    await forget(job, lease);
    throw new UnrecoverableError(error.code ?? `status ${error.status}`);
  }
}

/**
 * Ends the lease, and takes its handle out of the job.
 * @param {import("bullmq").Job} job @param {string} lease `kfl_<id>.<secret>`
 */
async function forget(job, lease) {
  const { lease: _, ...rest } = job.data;
  await job.updateData(rest);
  const id = lease.slice("kfl_".length, lease.indexOf("."));
  // It ends by itself soon; a relay that cannot be reached now is no reason to fail the job.
  await fetch(`${relay}/v1/leases/${id}`, { method: "DELETE", headers: { "X-BYOK-Lease": lease } }).catch(() => undefined);
}
