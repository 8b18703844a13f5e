/** The consumers of a queue on the server: one for each lane, made when it is first received from. */

import { isBusbarError } from '@busbar/api/transport';
import { digest, type Lane, type Names } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import { Permissions } from '../connection/permissions.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { NS } from '../connection/streams.ts';
import { ignoreRefusal, ServerRefusal } from '../errors.ts';
import type { LedgerRecord } from './ledger.ts';
import { isMailbox, type KnownQueue, type QueueRecord, type QueueRecords } from './queue-record.ts';
import { ackSubject } from './receipt.ts';

/** A consumer as it is on the server. */
export interface Consumer {
  readonly name: string;
  readonly lane: Lane;
  /** How long the server waits for a settlement. A queue with another lease time sends it with each message. */
  readonly ackWaitMs: number;
}

interface Surroundings {
  readonly requests: ServerRequests;
  readonly names: Names;
  readonly records: QueueRecords;
  /** Queues that need maintenance. */
  readonly used: Set<string>;
}

interface ConsumerInfo {
  readonly config: { readonly ack_wait: number };
  readonly ack_floor: { readonly stream_seq: number };
  readonly created: string;
  readonly delivered: { readonly stream_seq: number; readonly consumer_seq: number; readonly last_active?: string };
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

const NOT_FOUND = 10_014;
const ANSWER_MS = 2_000;
/** A server that restarts, or a new leader, is there sooner. */
const AWAY_MS = 10_000;
const DELAYED_WAIT_MS = 30_000;
const MAX_WAITING = 100_000;

/** The consumers that this process uses. */
export class Consumers {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  readonly #records: QueueRecords;
  readonly replicas: number | undefined;
  readonly #used: Set<string>;
  readonly #permissions: Permissions;
  readonly #made = new Map<string, Promise<Consumer | undefined>>();
  /** Names of consumers, by the record of their queue. */
  readonly #digests = new WeakMap<QueueRecord, Map<Lane, string>>();
  /** Consumers that do not answer, each with the time since then. */
  readonly #away = new Map<string, number>();

  /** `replicas`: replicas of the consumers' state; undefined for as many as the messages. */
  constructor(
    { requests, names, records, used }: Surroundings,
    replicas: number | undefined,
    permissions: Permissions = new Permissions(),
  ) {
    this.#permissions = permissions;
    this.#used = used;
    this.#requests = requests;
    this.#names = names;
    this.#records = records;
    this.replicas = replicas;
    requests.connection.onBack(() => this.#away.clear());
  }

  nameOf({ name, record }: KnownQueue, lane: Lane): string {
    const byLane = this.#digests.get(record) ?? new Map<Lane, string>();
    this.#digests.set(record, byLane);
    const digested = byLane.get(lane) ?? digest(`${name}\0${lane}\0${record.inc}\0${record.generation}`);
    byLane.set(lane, digested);
    return digested;
  }

  /** The consumer of a lane, created where there is none. Undefined if it does not answer: the queue may have another one. */
  ensure(queue: KnownQueue, lane: Lane): Promise<Consumer | undefined> {
    const name = this.nameOf(queue, lane);
    let made = this.#made.get(name);
    if (made === undefined) {
      made = this.#make(queue, lane, name);
      const forget = (): boolean => this.#made.delete(name);
      made.then((consumer) => consumer ?? forget(), forget);
      this.#made.set(name, made);
    }
    return made;
  }

  /** Forgets a consumer: the server may have lost it. */
  forget(name: string): void {
    this.#made.delete(name);
  }

  /** Forgets all consumers: the store has lost some, or all. */
  forgetAll(): void {
    this.#made.clear();
    this.#away.clear();
  }

  /** Up to which sequence everything of a lane is settled on the server, and how many messages are not. */
  async progress(queue: KnownQueue, lane: Lane): Promise<{ floor: number; unsettled: number }> {
    try {
      const path = `CONSUMER.INFO.${this.#names.queues}.${this.nameOf(queue, lane)}`;
      const { ack_floor, num_pending, num_ack_pending } = await this.#requests.api<ConsumerInfo>(path);
      return { floor: ack_floor.stream_seq, unsettled: num_pending + num_ack_pending };
    } catch (error) {
      if (error instanceof ServerRefusal) return { floor: 0, unsettled: Number.POSITIVE_INFINITY };
      throw error;
    }
  }

  /** The last delivery of a lane's consumer; 0 without one. */
  async lastDelivery(queue: KnownQueue, lane: Lane): Promise<number> {
    const path = `CONSUMER.INFO.${this.#names.queues}.${this.nameOf(queue, lane)}`;
    const info = await this.#requests.api<ConsumerInfo>(path).catch(ignoreRefusal);
    return info?.delivered.consumer_seq ?? 0;
  }

  /** Lets the consumer of a lane deliver messages again whose leases have ended. One that does not answer is replaced. */
  async takeBack(queue: KnownQueue, lane: Lane, seqs: readonly number[]): Promise<void> {
    const name = this.nameOf(queue, lane);
    const found = await this.#find(name);
    if (found === 'away') return this.replace(queue);
    if (found === undefined) return;
    // The consumer goes by the sequence of a message, not by that of its delivery.
    const cseq = found.delivered.consumer_seq;
    const subjects = seqs.map((seq) => ackSubject(this.#names, name, { seq, cseq }));
    for (const subject of subjects.slice(0, -1)) this.#requests.send(subject, '-NAK');
    await this.#requests.confirm(subjects.at(-1) ?? '', '-NAK');
  }

  /** When a consumer was active last, on the clock of the server. Infinity if it has messages, or does not exist. */
  async idleSince(queue: KnownQueue, lane: Lane): Promise<number> {
    const found = await this.#find(this.nameOf(queue, lane));
    if (found === undefined || found === 'away' || found.num_pending + found.num_ack_pending > 0) {
      return Number.POSITIVE_INFINITY;
    }
    return Date.parse(found.delivered.last_active ?? found.created);
  }

  /** Deletes all consumers of a queue. */
  async remove(queue: KnownQueue): Promise<void> {
    await Promise.all(
      lanesOf(queue).map(async (lane) => {
        const name = this.nameOf(queue, lane);
        this.#made.delete(name);
        await this.#requests.api(`CONSUMER.DELETE.${this.#names.queues}.${name}`).catch(ignoreRefusal);
      }),
    );
  }

  async #make(queue: KnownQueue, lane: Lane, name: string): Promise<Consumer | undefined> {
    // The server permits pulls by the name of the consumer only. A user who may not create it uses it by mistake.
    this.#permissions.assertMayPublish(`$JS.API.${this.#createPath(queue, lane, name)}`);
    // A receive may not wait for the reply to its record.
    this.#permissions.assertMayPublish(this.#names.records(queue.name));
    for (let attempt = 1; ; attempt += 1) {
      try {
        const there = await this.#find(name);
        if (there === 'away') {
          await this.#endWait(queue, name);
          return undefined;
        }
        this.#away.delete(name);
        // Its last users may have left messages that need maintenance.
        if (there !== undefined && there.delivered.stream_seq > 0) this.#used.add(queue.name);
        const info = there ?? (await this.#makeNew(queue, lane, name));
        return info && { name, lane, ackWaitMs: info.config.ack_wait / NS };
      } catch (error) {
        // Another client makes it at this moment, or the cluster has no leader for it yet.
        if (!(error instanceof ServerRefusal) || attempt === MAX_ATTEMPTS) throw error;
        await pause(50 * attempt);
      }
    }
  }

  async #makeNew(queue: KnownQueue, lane: Lane, name: string): Promise<ConsumerInfo | undefined> {
    const floor = await this.#markUncertain(queue, lane);
    if (floor !== undefined) return this.#create(queue, lane, name, floor);
    this.#records.forget(queue.name);
    return undefined;
  }

  /** Replaces a consumer that was away for long, unless the stream is away as well. */
  async #endWait(queue: KnownQueue, name: string): Promise<void> {
    const now = performance.now();
    const since = this.#away.get(name) ?? now;
    this.#away.set(name, since);
    this.#records.forget(queue.name);
    if (now - since < AWAY_MS || !this.#requests.connection.isUp) return;
    await this.replace(queue).catch(ignoreUnavailable);
    this.#away.delete(name);
  }

  /** A consumer with one replica goes with its server. The queue gets new ones elsewhere, which ask the ledger. */
  async replace(queue: KnownQueue): Promise<void> {
    const { generation } = queue.record;
    const last = await this.#requests.reader.lastSequence(this.#names.queues);
    await this.#records.change(queue.name, (record) =>
      record?.generation === generation ? { ...record, generation: generation + 1, uncertainUpTo: last } : undefined,
    );
    this.#requests.send(this.#names.notice(queue.name));
    // The others note the deletion. There is no answer before the server of the consumer is back.
    const context = { deadline: performance.now() + ANSWER_MS };
    await Promise.allSettled(
      lanesOf(queue).map((lane) =>
        this.#requests.api(`CONSUMER.DELETE.${this.#names.queues}.${this.nameOf(queue, lane)}`, undefined, context),
      ),
    );
  }

  /** `away`: it exists, and its server does not answer. */
  async #find(name: string): Promise<ConsumerInfo | 'away' | undefined> {
    const path = `CONSUMER.INFO.${this.#names.queues}.${name}`;
    try {
      return await this.#requests.api<ConsumerInfo>(path, undefined, { deadline: performance.now() + ANSWER_MS });
    } catch (error) {
      if (error instanceof ServerRefusal && error.refusal === NOT_FOUND) return undefined;
      ignoreUnavailable(error);
      return 'away';
    }
  }

  async #create(queue: KnownQueue, lane: Lane, name: string, floor: number): Promise<ConsumerInfo> {
    const stream = this.#names.queues;
    const filter = this.#names.lane(queue.name, lane);
    const ackWaitMs = lane === 'delayed' ? DELAYED_WAIT_MS : queue.record.settings.leaseMs;
    const replicas = this.replicas ?? (isMailbox(queue.name) ? 1 : 0);
    const config = {
      ...{ name, durable_name: name, filter_subject: filter, ack_policy: 'explicit', ack_wait: ackWaitMs * NS },
      ...{ deliver_policy: 'by_start_sequence', opt_start_seq: floor + 1, replay_policy: 'instant' },
      ...{ max_waiting: MAX_WAITING, num_replicas: replicas },
      max_ack_pending: lane.startsWith('k') ? 1 : -1,
      metadata: { queue: queue.name, lane },
    };
    const path = this.#createPath(queue, lane, name);
    return this.#requests.api<ConsumerInfo>(path, { stream_name: stream, config, action: 'create' });
  }

  #createPath(queue: KnownQueue, lane: Lane, name: string): string {
    return `CONSUMER.CREATE.${this.#names.queues}.${name}.${this.#names.lane(queue.name, lane)}`;
  }

  /**
   * A consumer missing after earlier receives was lost. All clients learn this before a new one is created.
   * Resolves with the sequence up to which its lane is settled; undefined if the queue has no such consumer any more.
   */
  async #markUncertain({ name, record: { inc, generation } }: KnownQueue, lane: Lane): Promise<number | undefined> {
    const request = { seq: 1, next_by_subj: this.#names.records(name), batch: 1 };
    await this.#requests.reader.catchUp(this.#names.ledger);
    const [first] = (await this.#requests.reader.get(this.#names.ledger, request)).messages;
    if (first === undefined) return 0;
    const last = await this.#requests.reader.lastSequence(this.#names.queues);
    const isSame = (record: QueueRecord | undefined): record is QueueRecord =>
      record?.inc === inc && record.generation === generation && !record.direct;
    const changed = await this.#records.change(name, (record) =>
      isSame(record) ? { ...record, uncertainUpTo: last } : undefined,
    );
    if (!isSame(changed?.record)) return undefined;
    const oldest = first.json<LedgerRecord>();
    return oldest.k === 'c' && oldest.inc === inc ? (oldest.state.floors[lane] ?? 0) : 0;
  }
}

const MAX_ATTEMPTS = 5;

function ignoreUnavailable(error: unknown): void {
  if (!isBusbarError(error) || error instanceof ServerRefusal || error.code !== 'UNAVAILABLE') throw error;
}

function lanesOf({ record }: KnownQueue): Lane[] {
  return ['normal', ...record.lanes];
}
