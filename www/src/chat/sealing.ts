/** Whether this relay takes keys sealed: then the header that carries one is readable to it alone. */

let asked: Promise<boolean> | undefined;

export function isSealed(relay: string): Promise<boolean> {
  asked ??= fetch(`${relay}/.well-known/keyferry`)
    .then(async (response) => "sealing" in ((await response.json()) as object))
    .catch(() => {
      // Asked again next time: not knowing is no answer.
      asked = undefined;
      return false;
    });
  return asked;
}
