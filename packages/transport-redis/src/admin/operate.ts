/** The operator's changes: redrive, purge, cancel, reschedule, delete and clear, each in bounded steps. */

import type { AdminDriver } from '@busbar/api/driver';
import { newId, type PendingResult } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { Argument } from '../connection/encode-command.ts';
import { chunksOf } from '../lua/arguments.ts';
import { CANCEL_OR_RESCHEDULE, CLEAR, DELETE_QUEUE, PURGE, REDRIVE, REMOVE_NAMESPACE } from '../lua/operate.ts';
import { atGateRevision, type Script } from '../lua/script.ts';
import { keyOf } from '../queues/stored-message.ts';

/** Message keys of one script. */
const KEYS = 200;
/** How long removing the namespace may delay closing. */
const REMOVE_MS = 1_000;
const PENDING = { d: 'done', s: 'started', n: 'not-found' } as const;

const CLEAR_AT_REVISION = atGateRevision(CLEAR);

type Operations = Pick<AdminDriver, 'redrive' | 'purge' | 'cancel' | 'reschedule' | 'deleteQueue' | 'clear'>;

/** Operations of a namespace. */
export interface Operator extends Operations {
  /** After `clear`: removes the keys that it keeps, unless the namespace holds data again. */
  removeCleared(): Promise<void>;
}

export function openOperator(client: ReconnectingClient): Operator {
  let isCleared = false;
  const change = (script: Script, args: readonly Argument[], deadline: number): Promise<unknown> =>
    client.run(script, args, { deadline, repeat: false });
  const cancelOrReschedule = async (queue: string, ids: readonly string[], delay: Argument, deadline: number) => {
    const results: PendingResult[] = [];
    for (const some of chunksOf(ids, KEYS)) {
      const letters = String(await change(CANCEL_OR_RESCHEDULE, [queue, delay, ...some.map(keyOf)], deadline));
      for (const [index, id] of some.entries()) results.push({ id, status: PENDING[letters[index] as 'd'] });
    }
    return results;
  };
  return {
    redrive: (queue, ids, limit, { deadline }) =>
      inSteps(ids, limit, (keys, left) => change(REDRIVE, [queue, left, ...keys], deadline)),
    purge: (queue, state, ids, { deadline }) =>
      inSteps(ids, Number.POSITIVE_INFINITY, (keys) => change(PURGE, [queue, state, ...keys], deadline)),
    cancel: (queue, ids, { deadline }) => cancelOrReschedule(queue, ids, '', deadline),
    reschedule: (queue, ids, delayMs, { deadline }) => cancelOrReschedule(queue, ids, delayMs, deadline),
    deleteQueue: async (queue, { deadline }) => (await change(DELETE_QUEUE, [queue], deadline)) === 1,
    clear: async (gateRevision, { deadline }) => {
      const incarnation = newId();
      const script = gateRevision === undefined ? CLEAR : CLEAR_AT_REVISION;
      const args = gateRevision === undefined ? [incarnation] : [incarnation, gateRevision];
      while ((await change(script, args, deadline)) === 1) {}
      isCleared = true;
      await client.readPast();
    },
    removeCleared: async () => {
      const deadline = performance.now() + REMOVE_MS;
      while (isCleared && (await change(REMOVE_NAMESPACE, [], deadline)) === 1) {}
    },
  };
}

/** Runs a step for each part of `ids`, or without ids until a step changes nothing. Returns how many messages changed. */
async function inSteps(
  ids: readonly string[] | undefined,
  limit: number,
  step: (keys: readonly string[], left: number) => Promise<unknown>,
): Promise<number> {
  let count = 0;
  for (const some of ids === undefined ? withoutKeys() : chunksOf(ids, KEYS)) {
    if (count >= limit) break;
    const changed = Number(await step(some.map(keyOf), limit - count));
    count += changed;
    if (ids === undefined && changed === 0) break;
  }
  return count;
}

function* withoutKeys(): Iterable<readonly string[]> {
  for (;;) yield [];
}
