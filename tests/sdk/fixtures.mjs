// What the stand-in answers to the questions the apps ask.

import { ANSWER } from "../support/standin.mjs";

/** @typedef {import("@copilotkit/aimock").LLMock} LLMock */

const OSLO = /weather in Oslo/;

/** What every app's tool loop ends with. */
export const WEATHER = "It is -3 °C.";

/** A loop of one tool call. @param {LLMock} mock */
export function weatherTool(mock) {
  mock.addFixture({ match: { userMessage: OSLO, hasToolResult: true }, response: { content: WEATHER } });
  const toolCalls = [{ name: "weather", arguments: '{"place":"Oslo"}' }];
  mock.addFixture({
    match: { userMessage: OSLO },
    // Gemini says STOP, and the call is in the content; aimock would give a reason of its own.
    response: ({ model }) => (model.startsWith("gemini") ? { toolCalls, finishReason: "STOP" } : { toolCalls }),
  });
}

/** An answer that takes long enough to be cancelled in the middle. @param {LLMock} mock */
export function slowAnswer(mock) {
  mock.addFixture({ match: { userMessage: "slowly" }, response: { content: ANSWER }, latency: 100 });
}
