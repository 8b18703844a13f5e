/** Forwards queues and topics from one store to another as long as it runs. */

import { type BusbarError, checkPattern, checkQueueName, hasWildcard, invalid, quote } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import { BridgeLock } from './bridge-lock.ts';
import { Direction } from './direction.ts';
import { Patience } from './patience.ts';
import { type BridgeProgress, ProgressCounter } from './progress.ts';
import { storeIdOf } from './store-id.ts';

/** What a bridge forwards. */
export interface BridgeOptions {
  /** Names of queues, or patterns, whose messages go from `from` to `to`. */
  readonly queues?: readonly string[] | undefined;
  /** Patterns of topics whose events go from `from` to `to`. */
  readonly topics?: readonly string[] | undefined;
  /** Events of `topics` also go from `to` to `from`. Default false. */
  readonly both?: boolean | undefined;
  /** Ends the bridge. What is under way arrives first, within five seconds. */
  readonly signal: AbortSignal;
  /** Called when the bridge begins, and at each change. */
  readonly onProgress?: ((progress: BridgeProgress) => void) | undefined;
}

/** What goes from one store to the other. */
interface Wanted {
  readonly ends: StoreEnds;
  readonly queues: readonly string[];
  readonly topics: readonly string[];
}

/**
 * Forwards messages and events until `signal` fires, and resolves with what it has forwarded. It waits while a store is away,
 * full or frozen. Rejects with INVALID_ARGUMENT for wrong options and one store by two ways, and with CONFLICT if another
 * process runs this bridge or a store has moved.
 */
export async function bridgeStores(ends: StoreEnds, options: BridgeOptions): Promise<BridgeProgress> {
  const wanted = directionsOf(ends, options);
  const { signal, onProgress } = options;
  const progress = new ProgressCounter(onProgress);
  const patience = new Patience({ ends, progress, stop: signal });
  while (!signal.aborted) {
    try {
      await bridgeOnce({ wanted, progress, patience, stop: signal });
    } catch (error) {
      await patience.after(error);
    }
  }
  return progress.now;
}

/** What one round of a bridge works with. */
interface Round {
  readonly wanted: readonly Wanted[];
  readonly progress: ProgressCounter;
  readonly patience: Patience;
  readonly stop: AbortSignal;
}

/** Bridges as long as this process holds the locks. */
async function bridgeOnce({ wanted, progress, patience, stop }: Round): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const directions: Direction[] = [];
  for (const { ends, queues, topics } of wanted) {
    const fromId = await storeIdOf(ends.from.transport, { signal: stop });
    const toId = await storeIdOf(ends.to.transport, { signal: stop });
    if (fromId === toId) throw sameStore(ends);
    const lock = stack.use(await BridgeLock.take(ends, fromId, stop));
    const ending = AbortSignal.any([stop, lock.lost]);
    directions.push(new Direction({ ends, fromId, toId, queues, topics, progress, ending }));
  }
  patience.succeeded();
  progress.begins();
  const failed = new AbortController();
  const running = directions.map(async (direction) => {
    try {
      await direction.run(failed.signal);
    } finally {
      // A direction that ends takes the other one with it.
      failed.abort();
    }
  });
  const results = await Promise.allSettled(running);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

/** Throws INVALID_ARGUMENT for options that are wrong. */
function directionsOf(ends: StoreEnds, { queues = [], topics = [], both = false }: BridgeOptions): Wanted[] {
  if (queues.length + topics.length === 0) {
    throw invalid('the bridge has nothing to forward', 'Name queues with --queues or topics with --topics.');
  }
  if (both && topics.length === 0) {
    throw invalid('both is for topics, and none is named', 'Queues go one way only. Name topics, or leave it out.');
  }
  for (const name of queues) checkQueues(name);
  for (const pattern of topics) checkTopics(pattern);
  if (ends.from.transport === ends.to.transport) throw sameStore(ends);
  const there: Wanted = { ends, queues, topics };
  if (!both) return [there];
  return [there, { ends: { from: ends.to, to: ends.from }, queues: [], topics }];
}

function checkQueues(name: string): void {
  if (hasWildcard(name)) checkPattern(name);
  else checkQueueName(name);
}

function checkTopics(pattern: string): void {
  checkPattern(pattern);
  if (!pattern.startsWith('$')) return;
  throw invalid(`the topics ${quote(pattern)} belong to Busbar`, 'Name topics of your own, or > for all of them.');
}

function sameStore({ from, to }: StoreEnds): BusbarError {
  const hint = 'A hub and the file below it are one store. A copy of a store cannot be bridged with it.';
  return invalid(`${from.name} and ${to.name} are the same store`, hint);
}
