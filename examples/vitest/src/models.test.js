// @vitest-environment jsdom
import { createTestVault, TEST_PASSWORD } from "keyferry/testing";
import { expect, test, vi } from "vitest";
import { showModels } from "./models.js";

const keys = [{ provider: "openai", key: "sk-test" }];

test("lists what the person's key can use", async () => {
  const respond = vi.fn(() => Response.json({ data: [{ id: "gpt-4o" }, { id: "gpt-4o-mini" }] }));
  const vault = await createTestVault({ keys, respond });
  const list = document.createElement("ul");
  await showModels(vault, list);
  expect([...list.children].map((item) => item.textContent)).toEqual(["gpt-4o", "gpt-4o-mini"]);
  expect(respond).toHaveBeenCalledOnce();
});

test("says what to do while the vault is locked or empty, and recovers", async () => {
  const locked = await createTestVault({ keys, state: "locked", respond: () => Response.json({ data: [{ id: "o3" }] }) });
  const needed = vi.fn();
  locked.addEventListener("keyneeded", ({ detail }) => needed(detail.reason));
  const list = document.createElement("ul");
  await showModels(locked, list);
  expect(list.textContent).toBe("Unlock your vault first.");
  expect(needed).toHaveBeenCalledExactlyOnceWith("locked");

  await locked.unlock({ password: TEST_PASSWORD });
  await showModels(locked, list);
  expect(list.textContent).toBe("o3");

  await showModels(await createTestVault(), list);
  expect(list.textContent).toBe("Add a key first.");
});
