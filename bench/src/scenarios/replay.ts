/** A new subscriber reads the stored events from the first one on. */

import { rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const replay: Scenario = {
  title: 'Stored events: publishing them, and a new subscriber in another process that reads all of them',
  once: true,
  mostRuns: 1,
  seconds: ({ backlog }) => 0.8 + backlog / 13_000,
  async run(sandbox, { backlog: count, inFlight, bodyBytes }) {
    const publisher = await sandbox.actor();
    const reader = await sandbox.actor();
    const publish = (first: number, end: number) =>
      publisher.call('publish', { first, count: end - first, inFlight: Math.max(...inFlight), bodyBytes });
    const replay = async (events: number): Promise<void> => {
      await reader.call('expect', { count: events });
      await reader.call('replay');
      await reader.call('received');
    };
    // The first events warm up.
    const warmUp = Math.ceil(count / 10);
    await publish(0, warmUp);
    await replay(warmUp);
    // A new client: a subscriber that stays would get the next events too.
    await reader.call('reopen');
    const publishMs = await timed(() => publish(warmUp, count));
    const readMs = await timed(() => replay(count));
    const at = `${count} events`;
    return [rate('published', count - warmUp, publishMs, at), rate('replayed', count, readMs, at)];
  },
};
