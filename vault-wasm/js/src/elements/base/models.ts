/** A model as the relay lists it. Prices are US dollars per million tokens, null where nobody knows them. */
export interface Model {
  /** Under which the relay routes it: `openai/gpt-4o-mini`. */
  readonly id: string;
  /** Catalogue id of its provider. */
  readonly provider: string;
  /** As its provider calls it: `gpt-4o-mini`. */
  readonly name: string;
  readonly input: number | null;
  readonly output: number | null;
}

/** What a relay offers. */
export interface Offer {
  readonly models: readonly Model[];
  /** Providers for which the relay has a key of its own. */
  readonly paid: ReadonlySet<string>;
}

interface Listed {
  readonly id: string;
  readonly owned_by: string;
  /** US dollars per token, as decimal text. */
  readonly pricing?: { readonly prompt?: string; readonly completion?: string };
}

const MILLION = 1_000_000;
const offers = new Map<string, Promise<Offer>>();

/** Models and prices of the relay at this base URL; read once per page. Rejects with a `network` failure. */
export function offerOf(relay: string): Promise<Offer> {
  const base = relay.replace(/\/$/, "");
  const known = offers.get(base);
  if (known) return known;
  const asked = load(base);
  offers.set(base, asked);
  // Asked again next time: not having reached it is no answer.
  asked.catch(() => offers.delete(base));
  return asked;
}

async function load(base: string): Promise<Offer> {
  const [models, about] = await Promise.all(["/v1/models", "/.well-known/keyferry"].map((path) => read(base + path)));
  const { data } = models as { data: readonly Listed[] };
  const { providers } = about as { providers: readonly { id: string; serverKey: boolean }[] };
  return {
    models: data.map(modelOf),
    paid: new Set(providers.filter(({ serverKey }) => serverKey).map(({ id }) => id)),
  };
}

function modelOf({ id, owned_by: provider, pricing }: Listed): Model {
  return {
    id,
    provider,
    name: id.startsWith(`${provider}/`) ? id.slice(provider.length + 1) : id,
    input: perMillion(pricing?.prompt),
    output: perMillion(pricing?.completion),
  };
}

function perMillion(perToken: string | undefined): number | null {
  const usd = Number(perToken ?? Number.NaN) * MILLION;
  return Number.isFinite(usd) ? usd : null;
}

async function read(url: string): Promise<unknown> {
  const response = await fetch(url, { credentials: "omit" }).catch(() => null);
  if (!response?.ok) throw Object.assign(new Error(url), { code: "network" });
  return response.json();
}
