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
    const load = { count, inFlight: Math.max(...inFlight), bodyBytes };
    const publishMs = await timed(() => publisher.call('publish', load));
    await reader.call('expect', { count });
    const readMs = await timed(async () => {
      await reader.call('replay');
      await reader.call('received');
    });
    const at = `${count} events`;
    return [rate('published', count, publishMs, at), rate('replayed', count, readMs, at)];
  },
};
