/** What has been asked and answered. Lives in memory only and knows nothing of how it is shown. */
import type { Turn } from "./dialect";

export interface Exchange {
  readonly question: string;
  /** Grows while the answer streams; a partial answer stays. */
  answer: string;
}

export class Conversation {
  #exchanges: Exchange[] = [];

  get isEmpty(): boolean {
    return this.#exchanges.length === 0;
  }

  ask(question: string): Exchange {
    const exchange = { question, answer: "" };
    this.#exchanges.push(exchange);
    return exchange;
  }

  /**
   * What a provider is sent to answer `exchange`: everything before it and its question. Questions
   * that never got a word in reply are left out, as providers want turns to alternate.
   */
  turnsFor(exchange: Exchange): Turn[] {
    const before = this.#exchanges.slice(0, this.#exchanges.indexOf(exchange));
    return [
      ...before
        .filter(({ answer }) => answer !== "")
        .flatMap(({ question, answer }): Turn[] => [
          { role: "user", text: question },
          { role: "assistant", text: answer },
        ]),
      { role: "user", text: exchange.question },
    ];
  }

  clear(): void {
    this.#exchanges = [];
  }
}
