/** Waits until a bus has nothing to do. */

import type { Bus } from '../bus/bus.ts';
import type { QueueDefinition } from '../bus/messages/definitions.ts';
import { addressOf, REPLY_PREFIX } from '../bus/registry/agent-names.ts';
import { toQueueDefinition } from '../bus/tasks/enqueue-options.ts';
import type { QueueInfo } from '../contract/admin.ts';
import { BusbarError } from '../contract/errors.ts';
import { checkArray, checkDuration, checkOptions, MAX_TIMER_MS } from '../contract/validation.ts';
import { realSleep, realTime, turns } from './real-time.ts';

/** For what to wait, and how long. */
export interface IdleOptions {
  /** Only these queues of tasks. Default: all, also mailboxes and durable subscriptions. */
  readonly queues?: readonly (string | QueueDefinition)[] | undefined;
  /** In real time, 1 to 2^31-1. Default 5,000. */
  readonly timeoutMs?: number | undefined;
}

const PAGE = 1000;
const PAUSE_MS = 2;
/** Looks in a row that find nothing: work between two queues, such as an event for a live subscription, goes on meanwhile. */
const LOOKS = 3;
const REQUEST_PREFIXES = [addressOf(''), REPLY_PREFIX];

/**
 * Resolves when no message is ready, and none is held by a consumer. A delayed message counts as nothing to do; so does a
 * running request or handler of a live subscription. Rejects with TIMEOUT, and names the queues that are not idle.
 */
export async function idle(bus: Bus, options: IdleOptions = {}): Promise<void> {
  checkOptions(options, ['queues', 'timeoutMs'], 'idle options');
  checkDuration(options.timeoutMs, 'timeoutMs', { min: 1, max: MAX_TIMER_MS });
  if (options.queues !== undefined) checkArray(options.queues, 'queues', PAGE);
  const names = options.queues?.map((queue) => toQueueDefinition(queue).queue);
  const { timeoutMs = 5_000 } = options;
  const until = realTime.now() + timeoutMs;
  for (let looks = 0; looks < LOOKS; ) {
    await turns();
    const busy = await busyQueues(bus, names);
    looks = busy.length === 0 ? looks + 1 : 0;
    if (busy.length > 0 && realTime.now() >= until) throw notIdle(busy, timeoutMs);
    if (busy.length > 0) await realSleep(PAUSE_MS);
  }
}

async function busyQueues(bus: Bus, names: readonly string[] | undefined): Promise<QueueInfo[]> {
  const busy: QueueInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await bus.transport.admin.queues({ names, limit: PAGE, after });
    busy.push(...page.filter(({ ready, leased }) => ready + leased > 0));
    if (page.length < PAGE) break;
    after = page.at(-1)?.name;
  }
  return busy.filter(({ name }) => !REQUEST_PREFIXES.some((prefix) => name.startsWith(prefix)));
}

function notIdle(busy: readonly QueueInfo[], timeoutMs: number): BusbarError {
  const queues = busy.slice(0, 5).map(({ name, ready, leased }) => `${name} has ${ready} ready, ${leased} held`);
  return new BusbarError('TIMEOUT', `the bus is not idle after ${timeoutMs} ms: ${queues.join('; ')}`, {
    hint: 'Ready messages need a consumer. Held ones wait for their handlers: does one wait for a clock that stands still?',
  });
}
