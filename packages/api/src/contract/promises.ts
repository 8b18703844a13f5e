/** Promises that are lost inside of values. A rejection of theirs must not end the process. */

/** The most parts of a value that are searched. */
const MAX_PARTS = 100_000;

/** A rejection of `value` without a handler must not end the process. */
export function silence(value: unknown): void {
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
export function silenceAll(value: unknown, maxDepth = 100): void {
  const seen = new Set<unknown>();
  let level = [value];
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth += 1) {
    const next: unknown[] = [];
    for (const one of level) {
      if (!mayHoldPromises(one) || seen.has(one)) continue;
      if (seen.size + next.length > MAX_PARTS) return;
      seen.add(one);
      silence(one);
      collectParts(one, next);
    }
    level = next;
  }
}

function mayHoldPromises(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Adds the parts of `value` that may be promises or have some. Never throws. */
function collectParts(value: object, parts: unknown[]): void {
  try {
    for (const part of partsOf(value)) if (mayHoldPromises(part) && parts.length < MAX_PARTS) parts.push(part);
  } catch {
    // A proxy may throw.
  }
}

function partsOf(value: object): readonly unknown[] {
  if (ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value)) return value.slice(0, MAX_PARTS);
  if (value instanceof Set) return [...value];
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  return Object.getOwnPropertyNames(value).map((key) => dataOf(value, key));
}

/** The value of a property; undefined for a getter. The text of a stack is not made for it. */
function dataOf(value: object, key: string): unknown {
  return key === 'stack' ? undefined : Object.getOwnPropertyDescriptor(value, key)?.value;
}
