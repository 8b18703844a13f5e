/** A reader of events and keys in its own process. It records when each came. */

import type { Transport } from '@busbar/api/transport';

const times: Record<string, number> = {};

/** Subscribes to `news` and watches the keys below `watched/`. */
export async function followChanges({ topics, kv }: Transport): Promise<void> {
  await topics.subscribe('news', {}, (events) => {
    for (const { id } of events) record(id);
  });
  await kv.watch('watched/', (changes) => {
    for (const change of changes) if (change.kind === 'put') record(change.entry.key);
  });
}

/** By id or key: when it came, on a clock that all processes of this machine share. */
export function arrivals(): Record<string, number> {
  return times;
}

function record(name: string): void {
  times[name] ??= performance.timeOrigin + performance.now();
}
