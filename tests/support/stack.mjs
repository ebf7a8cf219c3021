// Stand-in provider, relay and browser, together.

import { launch } from "./chromium.mjs";
import { startRelay } from "./relay.mjs";
import { startStandin } from "./standin.mjs";

/**
 * @param {object} [options]
 * @param {Parameters<typeof startStandin>[0]} [options.standin]
 * @param {Omit<Parameters<typeof startRelay>[0], "provider">} [options.relay]
 */
export async function startStack(options = {}) {
  const standin = await startStandin(options.standin);
  const relay = await startRelay({ ...options.relay, provider: standin.url });
  const browser = await launch();
  return {
    standin,
    relay,
    browser,
    /** A page of its own profile, open on the site; what it complains about fails the test. @param {string} [script] to run before those of each document */
    async open(script) {
      const context = await browser.newContext();
      if (script) await context.addInitScript(script);
      const page = await context.newPage();
      /** @type {string[]} */
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(`page error: ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
      });
      await page.goto(relay.origin);
      return { context, page, complaints };
    },
    async stop() {
      await browser.close();
      await relay.stop();
      await standin.stop();
    },
  };
}

/** Made-up keys of the real shapes, which occur nowhere else. */
export const CANARY = {
  openai: "sk-proj-Qz7WmKe2RtYu4PaSd9FgHjLxCvBn6M3TqWeRtYuIo1PaSdFgH8jK5LzXcVbN",
  anthropic: "sk-ant-api03-Vk3TnXw8QbRz5LpMs7HdJf2GyCa9EuWi4OqTrBvNxKmZtPlSjDhFgYc6A",
  google: "AIzaSyD7KqWn3XvRt5BpMz8LcJh2FgYs4UeTaPk",
  openrouter: "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",
};

/** Every run of 8 characters of a key beyond its public prefix. @param {string} key */
export function windows(key) {
  const start = /^(sk-proj-|sk-ant-api03-|sk-or-v1-|sk-|AIza)/.exec(key)?.[0].length ?? 0;
  const found = [];
  for (let i = start; i + 8 <= key.length; i += 1) found.push(key.slice(i, i + 8));
  return found;
}

/** The first run of 8 secret characters of `secret` in `text`. @param {string} text @param {string} secret */
export function leaked(text, secret) {
  return windows(secret).find((run) => text.includes(run));
}
