import { signal } from "@preact/signals";
import { Client } from "../api/client.js";
import type { Offer } from "../api/types.js";
import { read, write } from "./storage.js";

/** Whether the last call was answered. */
export const isConnected = signal(true);

/** Why the page asks for a key. */
export const keyProblem = signal<"missing" | "wrong" | undefined>(undefined);

/** What the server offers; undefined while the page has not heard of it. */
export const offer = signal<Offer | undefined>(undefined);

let key = read("key", () => sessionStorage) ?? read("key") ?? undefined;

export const client = new Client({
  key: () => key,
  onAnswer: (isThere) => {
    isConnected.value = isThere;
  },
  onRefused: () => {
    keyProblem.value = key === undefined ? "missing" : "wrong";
  },
});

/** @throws ApiError @throws ConnectionLost */
export async function loadOffer(): Promise<void> {
  offer.value = await client.offer();
}

/** Takes a key if the server does. It is kept until the tab is closed, or for good. @throws ApiError @throws ConnectionLost */
export async function giveKey(given: string, isForGood: boolean): Promise<void> {
  key = given;
  await loadOffer();
  write("key", given, () => sessionStorage);
  write("key", isForGood ? given : undefined);
  keyProblem.value = undefined;
}

/** Whether calls send a key. */
export function hasKey(): boolean {
  return key !== undefined;
}

/** Forgets the key, on this machine, too. */
export function forgetKey(): void {
  key = undefined;
  write("key", undefined, () => sessionStorage);
  write("key", undefined);
}
