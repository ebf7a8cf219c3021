import type { Strings } from "../strings/index.js";

const MINUTE = 60_000;

/** `remaining` in milliseconds: "1 h 20 min", "14 min", and in the last two minutes "1:05". */
export function timeLeft(remaining: number, text: Strings["lock"]): string {
  const left = Math.max(0, remaining);
  if (left < 2 * MINUTE) {
    const seconds = Math.ceil(left / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  const minutes = Math.round(left / MINUTE);
  return minutes < 60 ? text.minutes(minutes) : text.hours(Math.floor(minutes / 60), minutes % 60);
}
