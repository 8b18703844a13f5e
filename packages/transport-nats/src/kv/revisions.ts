/** The difference between revisions of kv and sequences of its stream. It only rises, also when the store loses data. */

import { sequenceOf } from '../connection/message-headers.ts';
import type { Names } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { ServerRequests } from '../connection/server-requests.ts';

/** The difference; 0 if it was lost with the keys. */
export async function readRevisions(requests: ServerRequests, names: Names, bounds?: Bounds): Promise<number> {
  return Number((await requests.reader.last(names.kv, names.revisions, bounds))?.string() ?? 0);
}

/** Raises the difference, so that every later revision is above `least`. Resolves with the present difference. */
export async function raiseRevisions(
  requests: ServerRequests,
  names: Names,
  least: number,
  bounds?: Bounds,
): Promise<number> {
  for (;;) {
    const message = await requests.reader.last(names.kv, names.revisions, bounds);
    const present = Number(message?.string() ?? 0);
    if (present >= least) return present;
    const headers = { 'Nats-Expected-Last-Subject-Sequence': sequenceOf(message) };
    if ((await requests.publishGuarded(names.revisions, String(least), headers, bounds)) !== undefined) return least;
    await pause(Math.random() * 5);
  }
}
