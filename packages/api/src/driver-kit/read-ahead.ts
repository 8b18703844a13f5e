/** Reads one item ahead, so that the source works while the reader handles the item before. */

export async function* readAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const result = await next;
      if (result.done === true) return;
      next = iterator.next();
      next.catch(() => undefined); // It rejects in its turn.
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}
