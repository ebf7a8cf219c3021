export const QUEUE = "questions";

const redis = new URL(process.env.REDIS_URL ?? "redis://localhost:6379");
export const connection = { host: redis.hostname, port: Number(redis.port || 6379) };
