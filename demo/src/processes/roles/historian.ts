/** The historian: sees every event as it is published, and reads them all again at the end. */

import { setTimeout as sleep } from 'node:timers/promises';
import { playRole } from './play-role.ts';

const PATIENCE_MS = 15_000;
const LOOK_EVERY_MS = 20;

await playRole(async ({ brief, bus, tell }) => {
  await bus.agent(brief.name, { capabilities: ['history'] });
  const seen = new Set<string>();
  await bus.subscribe('>', ({ id }) => {
    seen.add(id);
  });
  return {
    count: async (order) => {
      const events = order.kind === 'count' ? order.events : 0;
      for (let waited = 0; seen.size < events && waited < PATIENCE_MS; waited += LOOK_EVERY_MS)
        await sleep(LOOK_EVERY_MS);
      await tell({ kind: 'received', events: seen.size });
      let replayed = 0;
      for await (const _ of bus.history('>')) replayed += 1;
      await tell({ kind: 'replayed', events: replayed });
    },
  };
});
