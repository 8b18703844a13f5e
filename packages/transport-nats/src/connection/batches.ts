/** Batches of messages that the server stores together. */

import type { Publication } from './server-requests.ts';

/** The server takes at most 1,000 messages in one batch, which it keeps aside until the last one. */
const MAX_BATCH = 500;
const MAX_BATCH_BYTES = 4_194_304;
/** How often a batch is sent that the server did not get whole, and the pause before the second time. */
export const BATCH_TRIES = 5;
export const BATCH_RETRY_MS = 50;

/** Messages in batches that the server takes, also with the record of an id for each message. */
export function* batchesOf<T extends Pick<Publication, 'data'>>(messages: readonly T[]): Generator<readonly T[], void> {
  for (let from = 0; from < messages.length; ) {
    const rest = from === 0 ? messages : messages.slice(from);
    const count = countOfBatch(rest);
    yield rest.slice(0, count);
    from += count;
  }
}

/** How many of these messages go into one batch. */
function countOfBatch(messages: readonly Pick<Publication, 'data'>[]): number {
  let bytes = 0;
  const end = messages.findIndex(({ data }, index) => {
    bytes += data.length;
    return index > 0 && (index === MAX_BATCH || bytes > MAX_BATCH_BYTES);
  });
  return end < 0 ? messages.length : end;
}
