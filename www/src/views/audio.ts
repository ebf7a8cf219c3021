/** A recording, what was said in it, and what a model makes of that. */
import { announce } from "../announce";
import { transcribe } from "../audio/job";
import type { Outcome } from "../audio/job";
import { markdown } from "../chat/markdown";
import { fill, h, setText } from "../dom";
import { count, fileSize, isolated, money, percent } from "../format";
import { fromRequest } from "../problem";
import { bareName, chats, firstModel } from "../providers";
import { strings } from "../strings";
import { Field } from "../ui/field";
import { ProblemSlot } from "../ui/problem-panel";
import type { JobStatus, MessageFor, Model, Snapshot, Vault } from "../vault";
import type { View } from "./view";

/** What providers take, and the relay with them. */
const MAX_BYTES = 25_000_000;
const SPEECH = /whisper|transcribe/;
const NO_FILES = /realtime|live|voice/;
/** Chosen in this order, for who has a key. */
const SPEECH_MODELS = ["openai/gpt-4o-mini-transcribe", "groq/whisper-large-v3-turbo"];

export interface AudioView extends View {
  update(snapshot: Snapshot): void;
}

export function audioView(vault: Vault, messageFor: MessageFor, goTo: { openKeys(provider?: string): void; openUnlock(): void }): AudioView {
  const text = strings.audio;
  const title = h("h1", { id: "audio-title", tabindex: -1 }, text.title);
  const file = new Field({
    label: text.file,
    hint: text.fileHint,
    control: h("input", { type: "file", accept: "audio/*,video/mp4,video/webm,.m4a,.flac,.ogg", "data-testid": "audio-file" }),
  });
  const task = new Field({
    label: text.task,
    hint: text.taskHint,
    control: h("textarea", { rows: 3, dir: "auto", placeholder: text.taskExample, class: "composer__input", "data-testid": "audio-task" }),
  });
  const speech = picker(text.transcriber, ({ name, provider }) => SPEECH.test(name) && !NO_FILES.test(name) && SPEECH_MODELS.some((id) => id.startsWith(`${provider}/`)));
  const analyst = picker(text.analyst, (model) => chats(model) && model.provider === providerOf(speech.value));
  const start = h("button", { class: "button button--primary", "data-testid": "audio-start" }, text.start);
  const cancel = h("button", { type: "button", class: "button", hidden: true, "data-testid": "audio-cancel" }, text.cancel);
  const progress = h("progress", { max: 1, "aria-label": text.progress, hidden: true, "data-testid": "audio-progress" });
  const phase = h("p", { class: "audio__phase", role: "status", "data-testid": "audio-phase" });
  const problem = new ProblemSlot();
  const needsKey = h("div", { class: "audio__needs", hidden: true });
  const result = h("div", { class: "stack", "data-testid": "audio-result" });
  let running: AbortController | null = null;
  let touched = false;

  function picker(label: string, filter: (model: Model) => boolean) {
    const element = document.createElement("keyferry-model-picker");
    Object.assign(element, { vault, label, filter });
    return element;
  }

  const follow = (): void => {
    // The relay keeps one key for a job: both models are of one provider.
    const provider = providerOf(speech.value);
    if (providerOf(analyst.value) !== provider) analyst.value = provider === undefined ? undefined : firstModel(provider);
  };
  speech.addEventListener("change", () => {
    touched = true;
    follow();
  });

  const show = (status: JobStatus): void => {
    progress.removeAttribute("value");
    setText(phase, text.phases[status.progress.phase] ?? "");
  };
  const setRunning = (now: AbortController | null): void => {
    running = now;
    const [shown, gone] = now ? [cancel, start] : [start, cancel];
    const moveFocus = document.activeElement === gone;
    shown.hidden = false;
    if (moveFocus) shown.focus();
    gone.hidden = true;
    progress.hidden = now === null;
  };

  const run = async (): Promise<void> => {
    const chosen = file.control.files?.[0];
    const wrong = !chosen ? text.noFile : chosen.size > MAX_BYTES ? text.tooLarge : null;
    if (wrong !== null || !chosen) {
      file.setError(wrong ?? text.noFile, chosen ? "body_too_large" : "empty");
      file.control.focus();
      return;
    }
    const provider = providerOf(speech.value) ?? "";
    const asked = task.value.trim();
    problem.clear();
    fill(result);
    const controller = new AbortController();
    setRunning(controller);
    setText(phase, text.uploading(percent(0)));
    progress.value = 0;
    const outcome = await transcribe(
      vault,
      {
        file: chosen,
        provider,
        model: bareName(speech.value ?? "", provider),
        analysis: asked === "" ? null : { model: bareName(analyst.value ?? "", provider), task: asked },
      },
      controller.signal,
      {
        onUpload: (part) => {
          progress.value = part;
          setText(phase, text.uploading(percent(part)));
        },
        onStatus: show,
      },
    );
    setRunning(null);
    finish(outcome, provider);
  };

  const finish = (outcome: Outcome, provider: string): void => {
    const name = vault.providers().find(({ id }) => id === provider)?.name ?? provider;
    if (outcome.kind === "failed") {
      setText(phase, "");
      problem.show(fromRequest(outcome.failure, name, messageFor), {
        retry: () => void run(),
        unlock: goTo.openUnlock,
        "add-key": () => goTo.openKeys(provider),
      });
      return;
    }
    setText(phase, outcome.kind === "cancelled" ? text.cancelled : text.done);
    if (outcome.kind === "completed") fill(result, ...resultOf(outcome.status, name));
  };

  const form = h(
    "form",
    { class: "card audio", novalidate: true },
    file.root,
    speech,
    task.root,
    analyst,
    needsKey,
    h("div", { class: "audio__buttons" }, start, cancel, progress),
    phase,
    problem.root,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) void run();
  });
  cancel.addEventListener("click", () => running?.abort());
  file.control.addEventListener("change", () => {
    const chosen = file.control.files?.[0];
    file.setHint(chosen ? text.chosen(isolated(chosen.name), fileSize(chosen.size)) : text.fileHint);
    file.clearError();
  });

  return {
    root: h("section", { class: "stack", "aria-labelledby": title.id }, h("div", { class: "page-head" }, title, h("p", { class: "lead" }, text.lead)), form, result),
    focus: () => title.focus({ preventScroll: true }),
    update: ({ state, providers }) => {
      const able = SPEECH_MODELS.filter((id) => providers.some((known) => known.hasKey && known.id === providerOf(id)));
      if (!touched) {
        speech.value = able[0] ?? SPEECH_MODELS[0];
        follow();
      }
      needsKey.hidden = state !== "unlocked" || able.length > 0;
      if (!needsKey.hidden && !needsKey.hasChildNodes()) {
        fill(needsKey, h("p", {}, text.needsKey), h("button", { type: "button", class: "button button--small", onclick: () => goTo.openKeys("openai") }, strings.actions.addKey));
      }
    },
  };
}

function resultOf({ result, usage, paidBy }: JobStatus, provider: string): HTMLElement[] {
  const text = strings.audio;
  const said = result?.transcription?.text ?? "";
  const made = result?.chat?.choices[0]?.message.content ?? null;
  const usd = usage.reduce((sum, { costUsd }) => sum + Number(costUsd ?? 0), 0);
  const tokens = usage.reduce((sum, { inputTokens, outputTokens }) => sum + Number(inputTokens ?? 0) + Number(outputTokens ?? 0), 0);
  const cost = tokens > 0 ? strings.chat.cost(count(tokens), usd > 0 ? money(usd) : "", false) : "";
  const payer = paidBy === "user" ? strings.chat.paidByUser(provider) : strings.chat.paidByUnknown(provider);
  return [
    ...(made === null ? [] : [part(text.analysis, h("div", { class: "turn__text turn__text--answer", dir: "auto", "data-testid": "audio-analysis" }, markdown(made)), made)]),
    part(text.transcript, h("p", { class: "turn__text", dir: "auto", "data-testid": "audio-transcript" }, said === "" ? text.nothing : said), said),
    h("p", { class: "turn__foot", "data-testid": "audio-payer" }, h("span", {}, h("bdi", {}, payer), cost)),
  ];
}

/** A piece of the result, to be read and copied. */
function part(title: string, content: HTMLElement, plain: string): HTMLElement {
  const { copy, copied } = strings.audio;
  const button = h("button", { type: "button", class: "button button--small", "aria-label": `${copy}: ${title}` }, copy);
  button.addEventListener("click", () => {
    void navigator.clipboard.writeText(plain).then(() => {
      setText(button, copied);
      announce(copied);
    });
  });
  return h("section", { class: "card" }, h("div", { class: "audio__head" }, h("h2", {}, title), plain === "" ? null : button), content);
}

function providerOf(model: string | undefined): string | undefined {
  return model?.split("/")[0];
}
