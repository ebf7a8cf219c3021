/** The language in use. One today; this is where a choice by `navigator.languages` belongs. */
import { en } from "./en";
import type { Strings } from "./en";

export type { Message, Strings } from "./en";

export const strings: Strings = en;
