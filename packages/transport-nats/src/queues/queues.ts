/** The queues of a namespace: sends, receives that may wait, settlements, settings. */

import {
  type CallContext,
  Condition,
  type PreparedMessage,
  putEntries,
  type QueueDriver,
  type ReceiveRequest,
} from '@busbar/api/driver';
import type { Delivery, KvPut, QueueSettings, SendResult, Settlement, SettleResult } from '@busbar/api/transport';
import { type Lane, LEVELS } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { AfterWait, Puller, WaitingPull } from '../connection/puller.ts';
import { isClosedError, throwIfRefused, toDriverError } from '../errors.ts';
import type { StoreGate } from '../gate/store-gate.ts';
import { type Bindings, track } from '../topics/bindings.ts';
import { Claimer, groupsOf, type PulledMessage } from './claim.ts';
import { BATCH, type Delayed } from './delayed.ts';
import { DirectClaims } from './direct-claims.ts';
import type { Notices } from './notices.ts';
import type { QueueContext } from './queue-context.ts';
import { isMailbox, type KnownQueue } from './queue-record.ts';
import type { Sender } from './send.ts';
import { Settler } from './settle.ts';
import { readPulled } from './stored-message.ts';

/** The sources of a queue beside sends. */
export interface Feeds {
  readonly delayed: Delayed;
  readonly bindings: Bindings;
}

const LOST_MS = 100;
/** How long a receive that does not wait looks for a consumer that does not reply. */
const REPLY_MS = 5_000;

export class Queues implements QueueDriver {
  readonly #shared: QueueContext;
  readonly #puller: Puller;
  readonly #claimer: Claimer;
  readonly #direct: DirectClaims;
  readonly #settler: Settler;
  readonly #sender: Sender;
  readonly #feeds: Feeds;
  readonly #notices: Notices;
  readonly #gate: StoreGate;

  constructor(shared: QueueContext, gate: StoreGate, sender: Sender, feeds: Feeds, notices: Notices) {
    const { puller } = shared;
    this.#shared = shared;
    this.#gate = gate;
    this.#puller = puller;
    this.#claimer = new Claimer(shared, puller);
    this.#direct = new DirectClaims(shared, this.#claimer);
    this.#settler = new Settler(shared);
    this.#sender = sender;
    this.#feeds = feeds;
    this.#notices = notices;
  }

  async send(
    queue: string,
    messages: readonly PreparedMessage[],
    create: boolean,
    context: CallContext,
  ): Promise<SendResult[]> {
    if (this.#gate.isClosed) await this.#gate.assertOpen(context);
    return throwIfRefused(await this.#sender.send(queue, messages, create, context));
  }

  async settle(settlements: readonly Settlement[], context: CallContext): Promise<SettleResult[]> {
    if (this.#gate.isClosed) await this.#gate.assertOpen(context);
    const { results, entries } = await this.#settler.settle(settlements, context);
    const isNone = results.every(({ status }) => status === 'lease-lost');
    if (isNone && this.#gate.isClosed) await this.#gate.assertOpen(context);
    const isReturned = ({ action }: Settlement, index: number): boolean =>
      (action === 'retry' || action === 'release') && results[index]?.status === 'done';
    await this.#direct.returned(settlements.filter(isReturned).map(({ receipt }) => receipt));
    if (entries.length > 0) await putEntries(entries, (entry) => this.#putEntry(entry, context));
    return results;
  }

  /** A store that has closed after the settlement takes the entry if it opens again. */
  async #putEntry(entry: KvPut, { deadline }: CallContext): Promise<void> {
    for (;;) {
      try {
        return await this.#shared.kv.replace(entry);
      } catch (error) {
        if (!isClosedError(error) || !(await this.#gate.reopens(deadline))) throw toDriverError(error);
      }
    }
  }

  /** Forgets what it knows of mailboxes: the store has lost data. */
  forget(): void {
    this.#direct.forget();
  }

  async configure(queue: string, settings: QueueSettings, context: CallContext): Promise<void> {
    if (this.#gate.isClosed) await this.#gate.assertOpen(context);
    const { records, clock } = this.#shared;
    const before = (await records.read(queue, context))?.record.settings;
    await records.change(
      queue,
      (known) => {
        const record = known ?? records.newRecord(queue);
        return { ...record, settings: { ...record.settings, ...settings }, usedAt: clock.store.late };
      },
      context,
    );
    this.#shared.requests.send(this.#shared.names.notice(queue));
    const stops = (name: 'frozen' | 'paused'): boolean => settings[name] === true && before?.[name] !== true;
    if (stops('frozen') || stops('paused')) await this.#notices.settled();
  }

  async receive(name: string, request: ReceiveRequest, context: CallContext): Promise<Delivery[]> {
    const begun = performance.now();
    const until = begun + request.waitMs;
    using notice = this.#notices.listen(request.waitMs > 0 ? name : undefined);
    for (;;) {
      const change = notice.change();
      void change.then(() => this.#direct.hint(name));
      if (this.#gate.isClosed) await this.#gate.assertOpen(context);
      // Nothing is claimed while the gate is draining.
      const queue = this.#gate.isOpen ? await this.#shared.records.fresh(name, context) : undefined;
      let lost = false;
      if (queue !== undefined) {
        this.#shared.records.touch(queue);
        notice.hearMessages(queue.record.direct);
        await this.#feed(queue);
      }
      const isPaused = queue !== undefined && this.#claimer.isPaused(queue);
      if (queue !== undefined && !isPaused) {
        const claimed = await this.#claim(queue, request, notice.heard, context.signal);
        if (claimed === undefined) continue;
        if (claimed.deliveries.length > 0) return claimed.deliveries;
        lost = claimed.lost;
      }
      const isOver = performance.now() >= until;
      // A new consumer, or a new leader of one, replies soon.
      const isLate = !this.#shared.requests.connection.isUp || performance.now() > begun + REPLY_MS;
      if (this.#gate.isClosed) continue;
      if (context.signal.aborted || (isOver && (!lost || isLate))) return [];
      if (lost) await pause(LOST_MS);
      if (isOver) continue;
      const deliveries = await this.#wait(isPaused ? undefined : queue, request, {
        until,
        change,
        heard: notice.heard,
        signal: context.signal,
      });
      if (deliveries.length > 0) return deliveries;
      if (context.signal.aborted) return [];
    }
  }

  /** Undefined if the queue has consumers since it was read. */
  async #claim(
    queue: KnownQueue,
    request: ReceiveRequest,
    heard: Set<string>,
    signal: AbortSignal,
  ): Promise<{ deliveries: Delivery[]; lost: boolean } | undefined> {
    if (!queue.record.direct) return this.#claimer.claim(queue, request, signal);
    const deliveries = await this.#direct.claim(queue, request, { heard, signal });
    return deliveries && { deliveries, lost: false };
  }

  async #feed(queue: KnownQueue): Promise<void> {
    if (queue.record.bindings.length > 0) await this.#feeds.bindings.pump(queue);
    if (!queue.record.direct) await this.#feeds.delayed.moveDue(queue);
  }

  /** Waits on all lanes. Resolves with the messages that came, or with none when it is time for a claim. */
  async #wait(queue: KnownQueue | undefined, request: ReceiveRequest, bounds: WaitBounds): Promise<Delivery[]> {
    const woken = new Condition();
    const wake = (): void => woken.notify();
    const pulled: PulledMessage[] = [];
    const busy = new Set<Promise<void>>();
    const pulls = queue === undefined ? [] : await this.#open(queue, { pulled, wake, busy, until: bounds.until });
    if (pulls === undefined) return [];
    const timer = this.#timer(queue, bounds.until, wake);
    using _looks = queue?.record.direct ? this.#direct.watch(queue, bounds.heard, wake) : undefined;
    bounds.signal.addEventListener('abort', wake);
    void bounds.change.then(wake);
    // Something may have come while the pulls were made.
    if (pulled.length === 0 && !bounds.signal.aborted && !pulls.some(({ isOver }) => isOver)) await woken.wait();
    clearTimeout(timer);
    bounds.signal.removeEventListener('abort', wake);
    await Promise.all(pulls.map((pull) => pull.withdraw()));
    await Promise.all(busy);
    if (queue === undefined || pulled.length === 0) return [];
    pulled.sort((one, other) => rankOf(one) - rankOf(other));
    const isStopped = bounds.signal.aborted || !this.#gate.isOpen || this.#claimer.isPaused(queue);
    const wanted = isStopped ? 0 : request.max;
    this.#claimer.giveBack(pulled.slice(wanted));
    // The consumers of a mailbox may have been retired during the wait.
    if (isMailbox(queue.name)) await this.#shared.records.fresh(queue.name);
    return this.#claimer.accept(queue, pulled.slice(0, wanted), request.consumer);
  }

  /** Undefined where a consumer does not answer. */
  async #open(queue: KnownQueue, { pulled, wake, busy, until }: Waiting): Promise<WaitingPull[] | undefined> {
    if (queue.record.direct) return this.#feeds.bindings.wait(queue, wake, busy);
    const lanes: Lane[] = groupsOf(queue).flat();
    if (queue.record.lanes.includes('delayed')) lanes.push('delayed');
    const found = await Promise.all(lanes.map((lane) => this.#shared.consumers.ensure(queue, lane)));
    const consumers = found.filter((consumer) => consumer !== undefined);
    if (consumers.length < lanes.length) return undefined;
    const open = (
      consumer: string,
      batch: number,
      onMessage: (message: PulledMessage['message']) => void,
      afterWait?: AfterWait,
    ): WaitingPull => {
      const pull = this.#puller.wait(consumer, batch, onMessage, until, afterWait);
      void pull.over.then((lost) => {
        if (lost) this.#claimer.forget(queue, consumer);
        wake();
      });
      return pull;
    };
    const take = (message: PulledMessage['message']): void => {
      track(busy, this.#feeds.delayed.take(queue, [message]));
    };
    const pulls = consumers.map((consumer) => {
      if (consumer.lane === 'delayed') return open(consumer.name, BATCH, take, 'handle');
      return open(consumer.name, 1, (message) => {
        pulled.push({ message, stored: readPulled(message), at: performance.now(), consumer });
        wake();
      });
    });
    return [...pulls, ...this.#feeds.bindings.wait(queue, wake, busy)];
  }

  #timer(queue: KnownQueue | undefined, until: number, wake: () => void): NodeJS.Timeout | undefined {
    const idleMs = (queue?.record.settings.expireIdleMs ?? Number.POSITIVE_INFINITY) / 3;
    const ms = Math.min(until - performance.now(), idleMs);
    return ms === Number.POSITIVE_INFINITY
      ? undefined
      : setTimeout(wake, Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(ms)))).unref();
  }
}

/** The messages of a wait, and its end. */
interface Waiting {
  readonly pulled: PulledMessage[];
  readonly wake: () => void;
  readonly busy: Set<Promise<void>>;
  readonly until: number;
}

interface WaitBounds {
  readonly until: number;
  readonly change: Promise<void>;
  readonly heard: Set<string>;
  readonly signal: AbortSignal;
}

/** Highest level first, as when all had been there at once. */
function rankOf({ consumer }: PulledMessage): number {
  const level = (LEVELS as readonly string[]).indexOf(consumer.lane);
  return level < 0 ? 1 : level;
}
