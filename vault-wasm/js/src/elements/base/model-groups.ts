import type { Provider } from "../../types.js";
import type { Model } from "./models.js";
import { PAYER_ORDER, type Payer } from "./payer.js";

/** One provider's models, and who would pay for them. */
export interface ModelGroup {
  readonly provider: string;
  readonly name: string;
  readonly payer: Payer;
  readonly models: readonly Model[];
}

/** Bases of one's own tunings, of no use to anybody else. */
const TUNED = "ft:";

/**
 * The models that have every word of `query` in their or their provider's
 * name, by provider; those somebody pays for come first, with `usable` they
 * are the only ones.
 */
export function groupModels(
  models: readonly Model[],
  providers: readonly Provider[],
  payerOf: (provider: string) => Payer,
  query: string,
  usable: boolean,
): readonly ModelGroup[] {
  const words = query.trim().toLowerCase().split(/\s+/);
  return providers
    .map(({ id, name }) => {
      const fits = (model: Model) => model.provider === id && words.every((word) => `${id} ${name} ${model.name}`.toLowerCase().includes(word));
      return { provider: id, name, payer: payerOf(id), models: models.filter(fits).sort(byName) };
    })
    .filter(({ payer, models: found }) => found.length > 0 && !(usable && (payer === "none" || payer === "locked")))
    .sort((a, b) => PAYER_ORDER.indexOf(a.payer) - PAYER_ORDER.indexOf(b.payer));
}

function byName(a: Model, b: Model): number {
  const tuned = Number(a.name.startsWith(TUNED)) - Number(b.name.startsWith(TUNED));
  return tuned || a.name.localeCompare(b.name, "en", { numeric: true });
}
