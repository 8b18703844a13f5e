/** Promises that are lost inside of values. A rejection of theirs must not end the process. */

/** The most parts of a value that are searched. */
const MAX_PARTS = 100_000;

/** A rejection of `value` without a handler must not end the process. */
export function silence(value: unknown): void {
  // A page goes on, and its developer sees the rejection.
  if (globalThis.process === undefined) return;
  try {
    if (!(value instanceof Promise) && Object.prototype.toString.call(value) !== '[object Promise]') return;
    Promise.prototype.then.call(value, undefined, () => undefined);
  } catch {
    // A subclass without a usable constructor, a proxy, or an object that only looks like a promise.
  }
}

/** Calls a listener. `report` gets what it throws, and the rejection of a promise that it returns. */
export function callListener(listener: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = listener();
    if (result instanceof Promise) Promise.prototype.then.call(result, undefined, report);
  } catch (error) {
    report(error);
  }
}

/**
 * Silences `value` and the promises inside of it, down to `maxDepth`. For a value that is refused: the refusal is its error.
 * No getter is called.
 */
export function silenceAll(value: unknown, maxDepth = 100, seen: Set<unknown> = new Set()): void {
  if (globalThis.process === undefined) return;
  const mayHavePromises = (typeof value === 'object' && value !== null) || typeof value === 'function';
  if (!mayHavePromises || seen.has(value) || seen.size >= MAX_PARTS) return;
  seen.add(value);
  silence(value);
  if (maxDepth === 0) return;
  try {
    for (const part of partsOf(value)) silenceAll(part, maxDepth - 1, seen);
  } catch {
    // A proxy may throw.
  }
}

function partsOf(value: object): Iterable<unknown> {
  if (ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value) || value instanceof Set) return value;
  if (value instanceof Map) return [...value].flat();
  // The text of a stack is not made for it.
  const names = Object.getOwnPropertyNames(value).filter((name) => name !== 'stack');
  return names.map((name): unknown => Object.getOwnPropertyDescriptor(value, name)?.value);
}
