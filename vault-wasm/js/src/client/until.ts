/** `work`, or the signal's reason as soon as it fires; `aborted` is called then. */
export function until<T>(signal: AbortSignal | null, work: Promise<T>, aborted?: () => void): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => {
      aborted?.();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
