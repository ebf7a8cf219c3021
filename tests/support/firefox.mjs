// Debian's Firefox ESR, driven over WebDriver (W3C Recommendation) by geckodriver.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./relay.mjs";

/** How WebDriver names an element. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
/** How long something may take to come about on a loaded machine. */
const PATIENCE_MS = 60_000;
/** The key Return, as WebDriver types it. */
export const ENTER = "\uE007";

/** Off: what Firefox would do on the network by itself. */
const PREFERENCES = {
  "app.update.enabled": false,
  "browser.safebrowsing.update.enabled": false,
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
};

/** A profile folder that outlives one start of the browser. */
export function newProfile() {
  return mkdtemp(join(tmpdir(), "keyferry-firefox-"));
}

/**
 * Starts geckodriver and one headless Firefox.
 * @param {object} options
 * @param {string} options.profile folder
 * @param {Record<string, unknown>} [options.preferences]
 */
export async function startFirefox({ profile, preferences = {} }) {
  const port = await freePort();
  const driver = spawn(env.GECKODRIVER ?? "geckodriver", ["--port", `${port}`, "--websocket-port", `${await freePort()}`, "--log", "error"], {
    stdio: "ignore",
  });
  const exited = new Promise((resolve) => void driver.once("exit", resolve));
  const base = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(50)) {
    if (await fetch(`${base}/status`).then((answer) => answer.ok, () => false)) break;
    if (driver.exitCode !== null || Date.now() > deadline) throw new Error("geckodriver did not start");
  }
  const capabilities = {
    alwaysMatch: {
      browserName: "firefox",
      "moz:firefoxOptions": {
        binary: env.FIREFOX ?? "/usr/bin/firefox-esr",
        args: ["-headless", "-profile", profile],
        prefs: { ...PREFERENCES, ...preferences },
      },
    },
  };
  const { sessionId } = await command(`${base}/session`, "POST", { capabilities });
  const session = `${base}/session/${sessionId}`;
  await command(`${session}/timeouts`, "POST", { script: 60_000, pageLoad: 60_000 });
  return new Firefox(session, async () => {
    await command(session, "DELETE").catch(() => undefined);
    driver.kill();
    await exited;
  });
}

/** Removes a profile's folder. @param {string} profile */
export const removeProfile = (profile) => rm(profile, { recursive: true, force: true, maxRetries: 5 });

/**
 * @param {string} url @param {"GET" | "POST" | "DELETE"} method @param {unknown} [body]
 * @returns {Promise<any>}
 */
async function command(url, method, body = {}) {
  const answer = await fetch(url, {
    method,
    ...(method === "POST" && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const { value } = /** @type {{ value: any }} */ (await answer.json());
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname.split("/").slice(3).join("/")}: ${value.error}: ${value.message}`);
  return value;
}

export class Firefox {
  #session;
  /** Ends the browser; what it stored stays in its profile. */
  stop;

  /** @param {string} session @param {() => Promise<void>} stop */
  constructor(session, stop) {
    this.#session = session;
    this.stop = stop;
  }

  /** @param {string} url */
  goto(url) {
    return command(`${this.#session}/url`, "POST", { url });
  }

  reload() {
    return command(`${this.#session}/refresh`, "POST");
  }

  /** Opens another tab and goes on there. Gives its handle. @returns {Promise<string>} */
  async newTab() {
    const { handle } = await command(`${this.#session}/window/new`, "POST", { type: "tab" });
    await this.toTab(handle);
    return handle;
  }

  /** @param {string} handle */
  toTab(handle) {
    return command(`${this.#session}/window`, "POST", { handle });
  }

  /** The handle of the tab at hand. @returns {Promise<string>} */
  tab() {
    return command(`${this.#session}/window`, "GET");
  }

  /** Closes the tab at hand. */
  closeTab() {
    return command(`${this.#session}/window`, "DELETE");
  }

  /**
   * Runs a function in the document at hand and waits for what it resolves with. Its text crosses,
   * not its scope; what it keeps goes on `window`.
   * @template T
   * @template {unknown[]} A
   * @param {(...args: A) => T} run @param {A} args
   * @returns {Promise<Awaited<T>>}
   */
  async evaluate(run, ...args) {
    const script = `const [args, done] = arguments;
      (async () => (${run})(...args))().then((value) => done({ value }), (error) => done({ thrown: String(error?.stack ?? error) + " " + (error?.code ?? "") }));`;
    const outcome = await command(`${this.#session}/execute/async`, "POST", { script, args: [args] });
    if (outcome.thrown) throw new Error(outcome.thrown);
    return outcome.value;
  }

  /** Waits until the function gives something true. @param {(...args: any[]) => unknown} run @param {unknown[]} args */
  async until(run, ...args) {
    for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(50)) {
      const value = await this.evaluate(run, ...args);
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`never true: ${run}`);
    }
  }

  /** Goes into the frame that the selector finds. @param {string} selector */
  async intoFrame(selector) {
    await this.top();
    await this.until((/** @type {string} */ selector) => document.querySelector(selector) !== null, selector);
    const { value } = await this.#element(`return document.querySelector(arguments[0])`, selector);
    await command(`${this.#session}/frame`, "POST", { id: value });
  }

  /** Goes back to the page itself. */
  top() {
    return command(`${this.#session}/frame`, "POST", { id: null });
  }

  /** Whether the control is there and shown. @param {string} id its data-testid */
  async shows(id) {
    return Boolean((await this.#find(id)).value);
  }

  /** Waits for a control. @param {string} id its data-testid */
  async wait(id) {
    for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(50)) {
      const { value } = await this.#find(id);
      if (value) return value[ELEMENT];
      if (Date.now() > deadline) throw new Error(`no ${id}`);
    }
  }

  /** The control's text. @param {string} id @returns {Promise<string>} */
  async text(id) {
    return command(`${this.#session}/element/${await this.wait(id)}/text`, "GET");
  }

  /** Types into a control, or presses a key on it. @param {string} id @param {string} text */
  async type(id, text) {
    await command(`${this.#session}/element/${await this.wait(id)}/value`, "POST", { text });
  }

  /** @param {string} id */
  #find(id) {
    return this.#element(
      `const find = (root) => {
        for (const element of root.querySelectorAll("*")) {
          if (element.getAttribute("data-testid") === arguments[0] && element.checkVisibility()) return element;
          const inside = element.shadowRoot && find(element.shadowRoot);
          if (inside) return inside;
        }
        return null;
      };
      return find(document);`,
      id,
    );
  }

  /** @param {string} script @param {string} argument @returns {Promise<{ value: Record<string, string> | null }>} */
  async #element(script, argument) {
    return { value: await command(`${this.#session}/execute/sync`, "POST", { script, args: [argument] }) };
  }
}
