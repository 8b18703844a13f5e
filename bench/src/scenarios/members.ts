/** Throughput of a work queue beside idle members, and the CPU that they cost. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost, type Figure, merge, rate, timed } from '../figures.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { Scenario } from './scenario.ts';

/** Members that share a process. Each has its own connection. */
const PER_PROCESS = 500;
/** A server goes on with what the joins left to do. */
const SETTLE_MS = 10_000;
const SHORT_SETTLE_MS = 2_000;
/** Each sends and consumes all messages; the median counts. */
const ROUNDS = 3;
/** An agent sends a heartbeat every three and a third seconds. */
const IDLE_MS = 20_000;
const SHORT_IDLE_MS = 3_300;

export const members: Scenario = {
  title:
    'Work queue beside idle members, each a connection with a waiting agent; idle CPU of all members and of the server',
  once: true,
  mostRuns: 1,
  scaling: true,
  seconds: ({ members, short }) => 2 + members.reduce((sum, count) => sum + (short ? 9 : 33) + count / 150, 0),
  async run(sandbox, size) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const processes: ActorProcess[] = [];
    const most = Math.max(...size.inFlight);
    const produce = (count: number) => producer.call('produce', { count, inFlight: most, bodyBytes: size.bodyBytes });
    const consume = (count: number) => consumer.call('consume', count, most);
    await produce(size.messages);
    await consume(size.messages);
    const figures: Figure[] = [];
    let joined = 0;
    for (const count of size.members) {
      await join(sandbox, processes, { from: joined, to: count });
      joined = Math.max(joined, count);
      await sleep(size.short ? SHORT_SETTLE_MS : SETTLE_MS);
      const idle = await idleCpu(sandbox, processes, size.short ? SHORT_IDLE_MS : IDLE_MS);
      const at = `${count} members`;
      const rounds: Figure[][] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const enqueueMs = await timed(() => produce(size.messages));
        const consumeMs = await timed(() => consume(size.messages));
        rounds.push([rate('enqueue', size.messages, enqueueMs, at), rate('consume+ack', size.messages, consumeMs, at)]);
      }
      figures.push(
        ...merge(rounds),
        cost('idle CPU of the members', '%', idle.members, at),
        cost('of the server', '%', idle.server, at),
      );
    }
    return figures;
  },
};

/** The numbers of the members to add. */
interface Joining {
  readonly from: number;
  readonly to: number;
}

/** Adds members to the last process while it has room, then to new processes. */
async function join(sandbox: Sandbox, processes: ActorProcess[], { from, to }: Joining): Promise<void> {
  const joins: Promise<void>[] = [];
  for (let first = from; first < to; ) {
    const index = Math.floor(first / PER_PROCESS);
    const process = processes[index] ?? (await sandbox.actor());
    processes[index] = process;
    const end = Math.min(to, (index + 1) * PER_PROCESS);
    joins.push(process.call('join', { first, end }, 'own'));
    first = end;
  }
  await Promise.all(joins);
}

/** Measures the CPU of the members and of the server while nothing is sent, in percent of a core. */
async function idleCpu(
  sandbox: Sandbox,
  processes: readonly ActorProcess[],
  idleMs: number,
): Promise<{ members: number; server: number }> {
  const usage = async () => ({ members: await cpuMs(processes), server: sandbox.serverCpuMs() });
  const before = await usage();
  await sleep(idleMs);
  const after = await usage();
  const percent = (name: 'members' | 'server'): number => ((after[name] - before[name]) / idleMs) * 100;
  return { members: percent('members'), server: percent('server') };
}

async function cpuMs(processes: readonly ActorProcess[]): Promise<number> {
  const used = await Promise.all(processes.map((process) => process.call('cpuMs')));
  return used.reduce((sum, ms) => sum + ms, 0);
}
