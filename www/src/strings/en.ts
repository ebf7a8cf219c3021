/**
 * Every sentence a person can read on this page, in English. Another language is another file of
 * the same shape.
 */
import type { ErrorCode } from "keyferry";

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
    skip: "Skip to content",
    pageTitle: (view: string) => `${view} · Keyferry`,
    boot: "Opening your vault…",
    reload: "Reload the page",
  },

  vault: {
    state: { empty: "No vault yet", locked: "Locked", unlocked: "Unlocked" },
    locksIn: (time: string) => `locks in ${time}`,
    lock: "Lock",
    lockHint: "Lock the vault now",
    lockedNow: "The vault is locked.",
    unlockedNow: "The vault is unlocked.",
    locksSoon: "The vault is about to lock because it has not been used for a while.",
    stayUnlocked: "Stay unlocked",
    minutes: (count: number) => `${count} min`,
    hours: (hours: number, minutes: number) => `${hours} h ${minutes} min`,
  },

  chat: {
    title: "Chat",
    provider: "Provider",
    noKey: (provider: string) => `${provider} (no key)`,
    model: "Model",
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
    addKey: "Add a key",
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
      sealed: "was added by the vault, sealed: only the relay can open it, and this page never sees it.",
      plain: "was added by the vault. This page never sees it; TLS protects it on the way to the relay.",
    },
    /** Of a model without a known price only the tokens are. */
    cost: (tokens: number, usd: number, estimated: boolean) => {
      const money = usd.toLocaleString("en", { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
      return ` · ${tokens.toLocaleString("en")} tokens${usd > 0 ? `, ${estimated ? "about " : ""}${money}` : ""}`;
    },
    emptyInput: "Write a message first.",
    emptyModel: "Enter a model name.",
    providerSaid: (provider: string, message: string) => `${provider} said: ${message}`,
    relaySaid: (message: string) => `Details: ${message}`,
  },

  actions: { unlock: "Unlock", addKey: "Add a key", reload: "Reload the page", retry: "Ask again" },

  /** How opening and locking the vault can fail (VaultError), by code; its own forms say the rest themselves. */
  vaultProblems: {
    locked: { title: "The vault is locked.", next: "Unlock it, then try again." },
    relay_changed: {
      title: "This vault belongs to another relay.",
      next: "Open it on the site where it was created. If that site has moved, its operator can tell you.",
    },
    network: { title: "The relay cannot be reached.", next: "Check your connection, then try again." },
    forbidden: {
      title: "This page may not show the vault.",
      next: "The relay's operator has to list this address among the vault's embedders.",
    },
    corrupt: {
      title: "The stored vault is damaged or was changed by something else.",
      next: "Nothing was overwritten. Reload the page; if it stays, restore a backup.",
    },
    future_version: {
      title: "This vault was written by a newer version.",
      next: "Reload the page to get that version. Nothing was changed.",
    },
    storage_lost: {
      title: "The browser closed or deleted the vault's storage.",
      next: "Reload the page. If the vault is gone, restore a backup or create a new one.",
    },
    storage_failed: {
      title: "The browser could not read or write the vault.",
      next: "Nothing was changed. Try again; private windows sometimes refuse storage.",
    },
    worker_failed: {
      title: "The vault does not run in this browser at the moment.",
      next: "Reload the page. If it stays, update the browser or switch off extensions for this site.",
    },
    reload_required: { title: "Another tab runs a newer version of this page.", next: "Reload this one." },
    closed: { title: "This page has let go of the vault.", next: "Reload it." },
  } satisfies { readonly [code in ErrorCode]?: Message },

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
    lease_not_found: { title: "This permission no longer exists.", next: "Start again." },
    lease_expired: { title: "This permission has run out.", next: "Start again." },
    lease_scope: { title: "This permission does not cover the request.", next: "Choose another model or provider." },
    lease_spent: { title: "The budget of this permission is used up.", next: "Start again with a larger one." },
    job_not_found: { title: "This job no longer exists.", next: "Start it again." },
    job_cancelled: { title: "This job was cancelled.", next: "Start it again if you still want it." },
    rate_limited: { title: "Too many requests.", next: "Wait a little, then ask again." },
    daily_cap_reached: {
      title: "The daily spending limit is reached.",
      next: "Raise it, use another key, or wait until tomorrow (UTC).",
    },
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
