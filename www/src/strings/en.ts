/**
 * Every sentence that this page adds to the vault's own, in English. Another language is another
 * file of the same shape. What the vault says of itself comes with its package.
 */
/** What went wrong, in plain words, and what to do next. */
export interface Message {
  readonly title: string;
  readonly next: string;
}

export const en = {
  app: {
    name: "Keyferry",
    nav: "Main",
    settings: "Keys",
    chat: "Chat",
    audio: "Audio",
    skip: "Skip to content",
    pageTitle: (view: string) => `${view} · Keyferry`,
    language: "Language",
  },

  chat: {
    title: "Chat",
    provider: "Provider",
    noKey: (provider: string) => `${provider} (no key)`,
    input: "Message",
    placeholder: "Ask something…",
    inputHint: "Enter sends, Shift + Enter makes a new line.",
    send: "Send",
    stop: "Stop",
    clear: "Clear chat",
    cleared: "The conversation is cleared.",
    log: "Conversation",
    emptyTitle: "Ask any model you have a key for",
    emptyHint: "Your message goes through this site's relay to the provider, with the key it needs.",
    emptyNoKeys: "No key for chat yet",
    emptyNoKeysHint: "Add one of your own, then come back and ask.",
    you: "You",
    waiting: "Waiting for the answer…",
    started: (provider: string) => `${provider} is answering.`,
    finished: "The answer is complete.",
    stoppedNow: "Stopped.",
    stopped: "You stopped this answer.",
    length: "The answer reached its length limit and ends here.",
    filtered: "The provider's safety filter ended this answer.",
    paidByUser: (provider: string) => `Paid with your ${provider} key`,
    paidByServer: (provider: string) => `Paid by this site, through ${provider}`,
    paidByUnknown: (provider: string) => `Answered by ${provider}`,
    wire: {
      title: "What went over the wire",
      sent: "This page asked for",
      received: "This page got back",
      added: "The vault added, out of this page's sight",
      sealed: "The key travels sealed: only the relay can open it, once, and for this request alone. Its form:",
      plain: "TLS protects it on the way to the relay.",
      parts: {
        scheme: "form",
        kid: "which of the relay's keys it is sealed to",
        enc: "one-time public key of this session, 43 characters",
        ts: "the time, good for 60 seconds",
        nonce: "random, good for one request, 16 characters",
        ciphertext: "your key, encrypted",
      },
    },
    /** Of a model without a known price only the tokens are. `usd` is empty then. */
    cost: (tokens: string, usd: string, estimated: boolean) => ` · ${tokens} tokens${usd === "" ? "" : `, ${estimated ? "about " : ""}${usd}`}`,
    emptyInput: "Write a message first.",
    emptyModel: "Choose a model first.",
    providerSaid: (provider: string, message: string) => `${provider} said: ${message}`,
    relaySaid: (message: string) => `Details: ${message}`,
  },

  audio: {
    title: "Audio",
    lead: "A recording becomes text, and a model then works on the text. Both run as one job at the relay, paid with your key.",
    file: "Recording",
    fileHint: "MP3, M4A, WAV, WebM, OGG or FLAC, up to 25 MB.",
    chosen: (name: string, size: string) => `${name}, ${size}`,
    noFile: "Choose a recording.",
    tooLarge: "This file is larger than 25 MB. Shorten it or save it with a lower quality.",
    task: "What to do with the text",
    taskHint: "Empty: only the text.",
    taskExample: "Summarise it in three points and list what has to be done.",
    transcriber: "Speech model",
    analyst: "Model for the analysis",
    start: "Start",
    cancel: "Cancel",
    uploading: (done: string) => `Sending the recording… ${done}`,
    phases: {
      queued: "Waiting for its turn…",
      uploading_to_provider: "Handing the recording to the provider…",
      transcribing: "Listening…",
      analysing: "Reading what was said…",
      waiting_to_retry: "The provider asked for a pause. Trying again soon…",
      done: "Done.",
    } as { readonly [phase: string]: string },
    progress: "Progress of the job",
    cancelled: "You cancelled this job.",
    done: "The job is done.",
    transcript: "What was said",
    analysis: "Analysis",
    copy: "Copy",
    copied: "Copied.",
    nothing: "Nothing was understood in this recording.",
    needsKey: "This needs a key of OpenAI or Groq, which turn speech into text.",
  },

  actions: { unlock: "Unlock", addKey: "Add a key", reload: "Reload the page", retry: "Ask again" },

  /** How a request can fail, by code: those of the relay's problem documents, then the page's own. */
  requestProblems: {
    missing_key: { title: "You have no usable key for this provider.", next: "Add one, or choose another provider." },
    locked: { title: "The vault is locked.", next: "Unlock it, then ask again. Your message is kept." },
    no_vault: { title: "There is no vault in this browser yet.", next: "Reload the page and create one." },
    bad_key_header: { title: "The relay cannot read this key.", next: "Remove it and add it again." },
    duplicate_key_header: { title: "Two keys were sent at once.", next: "Reload the page and ask again." },
    key_in_query: { title: "A key was about to travel in an address.", next: "It was refused. Reload the page and ask again." },
    key_in_body: {
      title: "There is a key in the message.",
      next: "Keys belong in the vault only. Take it out of the message and ask again.",
    },
    bad_header: { title: "The relay does not understand this page.", next: "Reload the page to get its current version." },
    bad_request: { title: "The relay does not understand the request.", next: "Reload the page and ask again." },
    bad_json: { title: "The relay does not understand the request.", next: "Reload the page and ask again." },
    bad_form: { title: "The relay does not understand the request.", next: "Reload the page and ask again." },
    duplicate_field: { title: "The request names something twice.", next: "Reload the page and ask again." },
    bad_field: { title: "The relay does not accept a value in the request.", next: "Check the model name." },
    missing_model: { title: "No model is chosen.", next: "Enter a model name." },
    provider_mismatch: { title: "This model belongs to another provider.", next: "Choose that provider, or another model." },
    unknown_provider: { title: "The relay does not know this provider.", next: "Choose another one." },
    endpoint_denied: { title: "The relay does not pass on this kind of request.", next: "Choose another model or provider." },
    endpoint_unsupported: { title: "The provider has nothing like this.", next: "Choose another model or provider." },
    bad_path: { title: "The relay does not accept this model name.", next: "Check how it is written." },
    not_found: { title: "This site has no relay at its address.", next: "Its operator has to set it up." },
    method_not_allowed: { title: "The relay does not pass on this kind of request.", next: "Reload the page and ask again." },
    unsupported_media_type: { title: "The relay does not take this kind of content.", next: "Reload the page and ask again." },
    upgrade_unsupported: { title: "Live connections are not supported.", next: "Choose another model." },
    body_too_large: { title: "This is too long for the relay.", next: "Shorten the message, or clear the conversation." },
    headers_too_large: { title: "The request has too much around it.", next: "Reload the page and ask again." },
    request_timeout: { title: "Sending took too long.", next: "Check your connection, then ask again." },
    origin_denied: { title: "The relay does not take requests from this page.", next: "Its operator has to allow this address." },
    host_denied: { title: "The relay does not answer under this address.", next: "Use the address its operator published." },
    navigation_denied: { title: "The relay's routes are not pages.", next: "Go back to the start page." },
    auth_required: { title: "This site wants you to sign in first.", next: "Sign in, then ask again." },
    auth_expired: { title: "Your sign-in has expired.", next: "Sign in again, then ask again." },
    auth_invalid: { title: "Your sign-in is not valid here.", next: "Sign in again, then ask again." },
    model_not_in_plan: { title: "Your plan does not include this model.", next: "Choose another model." },
    clock_skew: { title: "This device's clock is wrong.", next: "Correct date and time, then ask again." },
    unknown_kid: { title: "The relay has changed its encryption keys.", next: "Ask again." },
    replayed: { title: "The relay has seen this very request before.", next: "Ask again." },
    sealed_required: { title: "The relay takes encrypted keys only.", next: "Reload the page to get its current version." },
    bad_seal: { title: "The relay could not open the encrypted key.", next: "Ask again; reload the page if it stays." },
    sign_in_refused: { title: "The provider refused the sign-in.", next: "Start it again from the beginning." },
    lease_not_found: { title: "This permission no longer exists.", next: "Start again." },
    lease_expired: { title: "This permission has run out.", next: "Start again." },
    lease_scope: { title: "This permission does not cover the request.", next: "Choose another model or provider." },
    lease_spent: { title: "The budget of this permission is used up.", next: "Start again with a larger one." },
    job_not_found: { title: "This job no longer exists.", next: "Start it again." },
    unsupported_audio: {
      title: "This is not a recording the relay takes.",
      next: "Choose an MP3, M4A, WAV, WebM, OGG or FLAC file that is not empty.",
    },
    job_interrupted: { title: "The relay lost sight of this job.", next: "Start it again." },
    audio_missing: { title: "The relay no longer has the recording.", next: "Start again and send it once more." },
    job_cancelled: { title: "This job was cancelled.", next: "Start it again if you still want it." },
    rate_limited: { title: "Too many requests.", next: "Wait a little, then ask again." },
    daily_cap_reached: {
      title: "The daily spending limit is reached.",
      next: "Raise it, use another key, or wait until tomorrow (UTC).",
    },
    provider_refused: { title: "The provider refused.", next: "Choose another model, or look at your account there." },
    provider_unreachable: {
      title: "The provider cannot be reached.",
      next: "It may be down. Ask again in a moment, or choose another provider.",
    },
    provider_timeout: {
      title: "The provider took too long to answer.",
      next: "Ask again, or choose another model or provider.",
    },
    provider_bad_response: {
      title: "The provider answered something unusable.",
      next: "Ask again in a moment, or choose another provider.",
    },
    stream_interrupted: {
      title: "The answer broke off.",
      next: "What arrived is kept. Ask again to get a whole one.",
    },
    store_unavailable: { title: "Part of the relay is down.", next: "Ask again in a minute." },
    draining: { title: "The relay is restarting.", next: "Ask again in a few seconds." },
    internal: { title: "The relay has a fault.", next: "Ask again; tell its operator if it stays." },

    network: {
      title: "The relay cannot be reached.",
      next: "Check your connection, then ask again. Your message is kept.",
    },
    offline: { title: "You are offline.", next: "Connect, then ask again. Your message is kept." },
    provider_stream_error: {
      title: "The provider stopped in the middle of the answer.",
      next: "What arrived is kept. Ask again in a moment.",
    },
    unusable_answer: {
      title: "The answer could not be read.",
      next: "It is not in the provider's usual form. Choose another model.",
    },
  } satisfies Record<string, Message>,

  /** The package with the vault could not be loaded at all: nothing else is there to say it. */
  notLoaded: { title: "The vault could not be loaded.", next: "Check your connection, then reload the page." } satisfies Message,

  unexpected: { title: "Something unexpected happened.", next: "Try again; reload the page if it stays." } satisfies Message,

  /** A provider's own refusals, by HTTP status. */
  providerProblems: {
    400: (provider: string) => ({
      title: `${provider} did not accept the request.`,
      next: "Check the model name and shorten the conversation if it is long.",
    }),
    401: (provider: string) => ({
      title: `${provider} rejected your key.`,
      next: "It may be revoked or mistyped. Remove it and add a current one.",
    }),
    402: (provider: string) => ({
      title: `Your ${provider} account has no credit left.`,
      next: "Top it up at the provider, or choose another provider.",
    }),
    403: (provider: string) => ({
      title: `${provider} does not allow this for your key.`,
      next: "The key may lack a permission, or the model may not be offered in your region.",
    }),
    404: (provider: string) => ({
      title: `${provider} does not know this model.`,
      next: "Check its name, or choose one from the list.",
    }),
    413: (provider: string) => ({
      title: `This is too long for ${provider}.`,
      next: "Shorten the message, or clear the conversation.",
    }),
    429: (provider: string) => ({
      title: `${provider} asks you to slow down.`,
      next: "You have reached its rate or spending limit. Wait a little, then ask again.",
    }),
    500: (provider: string) => ({
      title: `${provider} has a problem right now.`,
      next: "Ask again in a moment, or choose another provider.",
    }),
    other: (provider: string) => ({
      title: `${provider} answered with an error.`,
      next: "Ask again in a moment, or choose another model.",
    }),
  },

  waitSeconds: (seconds: number) => (seconds === 1 ? "Wait 1 second." : `Wait ${seconds} seconds.`),
  unknownCode: (code: string) => `Code: ${code}`,
};

export type Strings = typeof en;
