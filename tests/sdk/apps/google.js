// Google's SDK, as an app uses it: by itself it calls the global `fetch`.

import { GoogleGenAI } from "@google/genai";

const MODEL = "gemini-2.5-flash";

/** Runs `use` while the page's `fetch` goes to the vault for providers' origins. */
async function intercepted(vault, use) {
  const undo = vault.interceptFetch();
  try {
    return await use(new GoogleGenAI({ apiKey: "vault" }));
  } finally {
    undo();
  }
}

export const googleGenerate = (vault) =>
  intercepted(vault, async (ai) => (await ai.models.generateContent({ model: MODEL, contents: "Hello" })).text);

export const googleStream = (vault) =>
  intercepted(vault, async (ai) => {
    const parts = [];
    for await (const chunk of await ai.models.generateContentStream({ model: MODEL, contents: "Hello" })) parts.push(chunk.text);
    return parts;
  });

export const googleTools = (vault) =>
  intercepted(vault, async (ai) => {
    const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: { type: "object", properties: { place: { type: "string" } } } }] }];
    const asked = [{ role: "user", parts: [{ text: "What is the weather in Oslo?" }] }];
    const first = await ai.models.generateContent({ model: MODEL, contents: asked, config: { tools } });
    const [call] = first.functionCalls;
    const contents = [
      ...asked,
      first.candidates[0].content,
      { role: "user", parts: [{ functionResponse: { name: call.name, response: { celsius: -3 } } }] },
    ];
    const last = await ai.models.generateContent({ model: MODEL, contents, config: { tools } });
    return { tool: call.name, arguments: call.args, text: last.text };
  });

/** Uploads a recording of `size` bytes and asks about it. */
export const googleUpload = (vault, size) =>
  intercepted(vault, async (ai) => {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
    const uploaded = await ai.files.upload({ file: new Blob([bytes], { type: "audio/wav" }), config: { displayName: "speech" } });
    const answer = await ai.models.generateContent({
      model: MODEL,
      contents: [{ role: "user", parts: [{ fileData: { fileUri: uploaded.uri, mimeType: uploaded.mimeType } }, { text: "Hello" }] }],
    });
    return { uploaded, text: answer.text };
  });

/** Another way in: the SDK's own option. */
export const googleFetchOption = async (vault) => {
  const ai = new GoogleGenAI({ apiKey: "vault", httpOptions: { fetch: vault.fetch } });
  return (await ai.models.generateContent({ model: MODEL, contents: "Hello" })).text;
};

/** What is not a provider's goes where it went before, and after the undo everything does. */
export async function googleUndo(vault) {
  const before = globalThis.fetch;
  const undo = vault.interceptFetch();
  const other = await (await fetch("/app.js")).text();
  const swapped = globalThis.fetch !== before;
  undo();
  return { swapped, other: other.length > 1000, restored: globalThis.fetch === before };
}
