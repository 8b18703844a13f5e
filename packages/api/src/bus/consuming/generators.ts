/** Generators that handlers return. */

type Generatorish = AsyncIterable<unknown> | Iterable<unknown>;

/** Whether `value` is an asynchronous iterable or a synchronous generator. Arrays, texts and maps are plain values. */
export function isGenerator(value: unknown): value is Generatorish {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.asyncIterator in value || isSyncGenerator(value);
}

function isSyncGenerator(value: object): boolean {
  const { next, throw: fail } = value as { readonly next?: unknown; readonly throw?: unknown };
  return typeof next === 'function' && typeof fail === 'function' && Symbol.iterator in value;
}

/** Passes each yielded value to `take`, one at a time. Resolves with the returned value. */
export async function drainGenerator(values: Generatorish, take: (value: unknown) => Promise<void>): Promise<unknown> {
  const iterator = Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) {
        isOver = true;
        return await next.value;
      }
      await take(await next.value);
    }
  } finally {
    if (!isOver) await iterator.return?.();
  }
}
