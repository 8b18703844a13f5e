/** Many mailboxes with waiting agents: the time to open them, memory, and a message of priority 9 to each. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost, type Figure, rate, timed } from '../figures.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { Scenario } from './scenario.ts';

/** Each has one connection for its share of the agents. */
const PROCESSES = 10;
const SETTLE_MS = 2000;
const IN_FLIGHT = 64;

export const mailboxes: Scenario = {
  title: `Mailboxes with waiting agents in ${PROCESSES} processes: opening all, memory, a message of priority 9 to each`,
  once: true,
  mostRuns: 1,
  scaling: true,
  seconds: ({ mailboxes }) => 6 + mailboxes.reduce((sum, count) => sum + 3 + count / 500, 0),
  async run(sandbox, { mailboxes: counts }) {
    const sender = await sandbox.actor();
    const processes = await Promise.all(Array.from({ length: PROCESSES }, () => sandbox.actor()));
    const empty = await rssOf(processes);
    const figures: Figure[] = [];
    let opened = 0;
    for (const count of counts) {
      const openMs = await timed(() => openMailboxes(processes, opened, count));
      await sleep(SETTLE_MS);
      const [server, agents] = [sandbox.serverRssBytes(), Math.max(0, (await rssOf(processes)) - empty)];
      const wakeMs = await timed(() => mailAll(sender, processes, count));
      const at = `${count} mailboxes`;
      figures.push(
        cost('opening all', 'ms', openMs, at),
        cost('server, all waiting', 'MB', server / 1e6, at),
        cost('agents above none', 'MB', agents / 1e6, at),
        rate('woken', count, wakeMs, at),
        cost('server, all woken', 'MB', sandbox.serverRssBytes() / 1e6, at),
      );
      opened = count;
    }
    return figures;
  },
};

/** Opens the mailboxes from `from`, a multiple of ten, to before `to`. Each process has every tenth. */
async function openMailboxes(processes: readonly ActorProcess[], from: number, to: number): Promise<void> {
  const join = (process: ActorProcess, index: number): Promise<void> =>
    process.call('join', { first: from + index, end: to, stride: PROCESSES }, 'shared');
  await Promise.all(processes.map(join));
}

/** Sends a message to each mailbox and waits for all of them. */
async function mailAll(sender: ActorProcess, processes: readonly ActorProcess[], count: number): Promise<void> {
  const expect = (process: ActorProcess, first: number): Promise<void> =>
    process.call('expect', { count: Math.ceil((count - first) / PROCESSES), first, stride: PROCESSES });
  await Promise.all(processes.map(expect));
  await Promise.all([sender.call('mail', count, IN_FLIGHT), ...processes.map((process) => process.call('received'))]);
}

async function rssOf(processes: readonly ActorProcess[]): Promise<number> {
  const all = await Promise.all(processes.map((process) => process.call('rssBytes')));
  return all.reduce((sum, bytes) => sum + bytes, 0);
}
