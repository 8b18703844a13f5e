/** Many mailboxes with waiting agents: the time to open them, the memory of the server, and a message of priority 9 to each. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

/** Each has one connection for its share of the agents. */
const PROCESSES = 10;
const SETTLE_MS = 2000;
const IN_FLIGHT = 64;

export const mailboxes: Scenario = {
  title: `Mailboxes with waiting agents in ${PROCESSES} processes: opening all, a message of priority 9 to each, memory of the server`,
  once: true,
  steady: true,
  async run(sandbox, { mailboxes: count }) {
    const sender = await sandbox.actor();
    const processes = await Promise.all(Array.from({ length: PROCESSES }, () => sandbox.actor()));
    const share = Math.ceil(count / PROCESSES);
    const shares = processes.map((process, index) => {
      const [first, end] = [index * share, Math.min(count, (index + 1) * share)];
      return { process, first, end };
    });
    const openMs = await timed(() =>
      Promise.all(shares.map(({ process, first, end }) => process.call('join', first, end, 'shared'))),
    );
    await sleep(SETTLE_MS);
    const opened = sandbox.serverRssBytes();
    await Promise.all(shares.map(({ process, first, end }) => process.call('expect', end - first)));
    const wakeMs = await timed(() =>
      Promise.all([sender.call('mail', count, IN_FLIGHT), ...processes.map((process) => process.call('received'))]),
    );
    const at = `${count} mailboxes`;
    return [
      cost('opening all', 'ms', openMs, at),
      cost('server, all waiting', 'MB', opened / 1e6, at),
      rate('woken', count, wakeMs, at),
      cost('server, all woken', 'MB', sandbox.serverRssBytes() / 1e6, at),
    ];
  },
};
