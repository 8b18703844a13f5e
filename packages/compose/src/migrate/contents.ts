/** What a store holds, as its listings tell it: they cost less than an export. Keys and remembered ids are not counted. */

import type { Transport } from '@busbar/api/transport';

/** How much a store holds. */
export interface StoreContents {
  readonly queues: number;
  readonly messages: number;
  readonly events: number;
}

export async function contentsOf({ admin }: Transport): Promise<StoreContents> {
  const contents = { queues: 0, messages: 0, events: 0 };
  for await (const { ready, delayed, leased, dead } of allOf((after) => admin.queues({ after }))) {
    contents.queues += 1;
    contents.messages += ready + delayed + leased + dead;
  }
  for await (const { events } of allOf((after) => admin.topics({ after }))) contents.events += events;
  return contents;
}

async function* allOf<T extends { readonly name: string }>(
  pageAfter: (after: string | undefined) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  for (let after: string | undefined; ; ) {
    const page = await pageAfter(after);
    yield* page;
    after = page.at(-1)?.name;
    if (after === undefined) return;
  }
}
