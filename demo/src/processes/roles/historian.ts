/** The historian receives every event live, counts ephemeral ones, and replays all others at the end. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isLive } from '../../bus/names.ts';
import { runRole } from '../run-role.ts';

const TIMEOUT_MS = 15_000;
const POLL_EVERY_MS = 20;

await runRole(async ({ config, bus, report }) => {
  await bus.agent(config.name, { capabilities: ['history'] });
  const seen = new Set<string>();
  let live = 0;
  await bus.subscribe('>', ({ id, topic }) => {
    if (isLive(topic)) live += 1;
    else seen.add(id);
  });
  return {
    count: async (order) => {
      const events = order.kind === 'count' ? order.events : 0;
      for (let waited = 0; seen.size < events && waited < TIMEOUT_MS; waited += POLL_EVERY_MS) {
        await sleep(POLL_EVERY_MS);
      }
      await report({ kind: 'received', events: seen.size, live });
      let replayed = 0;
      for await (const _ of bus.history('>')) replayed += 1;
      await report({ kind: 'replayed', events: replayed });
    },
  };
});
