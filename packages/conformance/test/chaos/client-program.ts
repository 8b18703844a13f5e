// The program of a client in its own process.
import { setTimeout as pause } from 'node:timers/promises';
import { isBusbarError } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { seededRandom, seedFor } from '../../src/context/random.ts';
import type { Opener } from '../../src/harness.ts';
import { ChaosClient } from './chaos-client.ts';
import { now, type Order } from './fact.ts';

/** The argument of the program, as JSON. */
export interface ProgramArgument {
  readonly opener: Opener;
  readonly name: string;
  readonly life: number;
  readonly peers: readonly string[];
  readonly seed: number;
}

/** The token of a hub that was started again reaches its proxy a moment after it serves. */
const FAULTS = ['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'CLOSED', 'PERMISSION_DENIED'];
const RealDate = Date;
const setting = JSON.parse(process.argv[2] ?? '') as ProgramArgument;
let client: ChaosClient | undefined;
let isClosing = false;

onParentMessage<Order>((order) => void obey(order));
await begin();

/** Opens and starts a client. Repeats that while a fault prevents it. */
async function begin(): Promise<void> {
  const { opener, name, life, peers, seed } = setting;
  const module: Record<string, (argument: unknown) => Promise<Transport>> = await import(opener.module);
  const open = module[opener.name];
  if (open === undefined) throw new Error(`${opener.module} has no export ${opener.name}`);
  const random = seededRandom(seedFor(seed, `${name}/${life}`));
  while (!isClosing) {
    try {
      const opened = new ChaosClient(await open(opener.argument), { name, life, peers, random, report: sendToParent });
      client = opened;
      await opened.start();
      return;
    } catch (error) {
      const isFault = isBusbarError(error) && FAULTS.includes(error.code);
      if (!isFault) throw error;
      const failed = client;
      client = undefined;
      await failed?.close();
      await pause(300);
    }
  }
}

async function obey(order: Order): Promise<void> {
  if (order.kind === 'stop') await client?.stop();
  else if (order.kind === 'block') block(order.ms);
  else if (order.kind === 'shiftClock') shiftClock(order.ms);
  else {
    isClosing = true;
    await client?.close();
    await sendToParent({ kind: 'closed', client: setting.name, life: setting.life, at: now() });
    process.exit(0);
  }
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Replaces Date: new dates and `Date.now()` are off by `ms`. */
function shiftClock(ms: number): void {
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, parts, self) =>
      Reflect.construct(target, parts.length === 0 ? [target.now() + ms] : parts, self),
    get: (target, key) => (key === 'now' ? () => target.now() + ms : Reflect.get(target, key)),
  });
}
