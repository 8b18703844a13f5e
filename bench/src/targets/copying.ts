/** Copies the history of a store to another one, as a move does before its pause. */

import { moveBus, type StoreEnds } from '@busbar/compose';
import { connectTransport } from 'busbar';
import { makeBody } from '../client.ts';

const BATCH = 500;
const encoder = new TextEncoder();

/** What to copy. */
export interface CopyLoad {
  readonly events: number;
  readonly bodyBytes: number;
}

/** Publishes events, then begins one move after the other and ends each when it has copied them. Resolves when the first has begun. */
export async function copyAgainAndAgain(fromUrl: string, toUrl: string, load: CopyLoad): Promise<void> {
  const [from, to] = await Promise.all([connectTransport(fromUrl), connectTransport(toUrl)]);
  for (let first = 0; first < load.events; first += BATCH) {
    const indexes = Array.from({ length: BATCH }, (_, at) => first + at);
    const messages = indexes.map((index) => ({
      body: encoder.encode(JSON.stringify(makeBody(index, load.bodyBytes))),
    }));
    await from.topics.publish('history', messages);
  }
  const ends: StoreEnds = { from: { transport: from, name: fromUrl }, to: { transport: to, name: toUrl } };
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const run = async (): Promise<never> => {
    for (;;) await copyOnce(ends, load.events, resolve);
  };
  // An error ends the process, and with it the measurement.
  void run();
  await begun;
}

async function copyOnce(ends: StoreEnds, events: number, onBegin: () => void): Promise<void> {
  const end = new AbortController();
  const moving = moveBus(ends, {
    signal: end.signal,
    onProgress({ step, records }) {
      onBegin();
      if (step !== 'copy' || records >= events) end.abort();
    },
  });
  await moving.catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
}
