/** The consumers of a queue on the server: one for each lane, made when it is first received from. */

import type { CallContext } from '@busbar/api/driver';
import { digest, type Lane, type Names } from '../connection/names.ts';
import { ignoreRefusal, pause, ServerRefusal, type ServerRequests } from '../connection/server-requests.ts';
import { NS } from '../connection/streams.ts';
import type { KnownQueue, QueueRecords } from './queue-record.ts';

/** A consumer as it is on the server. */
export interface Consumer {
  readonly name: string;
  readonly lane: Lane;
  /** How long the server waits for a settlement. A queue with another lease time sends it with each message. */
  readonly ackWaitMs: number;
}

interface ConsumerInfo {
  readonly config: { readonly ack_wait: number };
  readonly ack_floor: { readonly stream_seq: number };
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

const NOT_FOUND = 10_014;
const DELAYED_WAIT_MS = 30_000;
const MAX_WAITING = 100_000;

/** The consumers that this process uses. */
export class Consumers {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  readonly #records: QueueRecords;
  readonly #replicas: number | undefined;
  readonly #made = new Map<string, Promise<Consumer>>();

  /** `replicas`: replicas of the consumers' state; undefined for as many as the messages. */
  constructor(requests: ServerRequests, names: Names, records: QueueRecords, replicas: number | undefined) {
    this.#requests = requests;
    this.#names = names;
    this.#records = records;
    this.#replicas = replicas;
  }

  nameOf({ name, record }: KnownQueue, lane: Lane): string {
    return digest(`${name}\0${lane}\0${record.inc}\0${record.generation}`);
  }

  /** The consumer of a lane; it is made where it is not there. */
  ensure(queue: KnownQueue, lane: Lane, context?: CallContext): Promise<Consumer> {
    const name = this.nameOf(queue, lane);
    let made = this.#made.get(name);
    if (made === undefined) {
      made = this.#make(queue, lane, name, context);
      made.catch(() => this.#made.delete(name));
      this.#made.set(name, made);
    }
    return made;
  }

  /** Forgets a consumer: the server may have lost it. */
  forget(name: string): void {
    this.#made.delete(name);
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

  /** Deletes all consumers of a queue. */
  async remove(queue: KnownQueue): Promise<void> {
    const lanes: Lane[] = ['normal', ...queue.record.lanes];
    await Promise.all(
      lanes.map(async (lane) => {
        const name = this.nameOf(queue, lane);
        this.#made.delete(name);
        await this.#requests.api(`CONSUMER.DELETE.${this.#names.queues}.${name}`).catch(ignoreRefusal);
      }),
    );
  }

  async #make(queue: KnownQueue, lane: Lane, name: string, context?: CallContext): Promise<Consumer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const there = await this.#find(name, context);
        if (there === undefined) await this.#markUncertain(queue);
        const info = there ?? (await this.#create(queue, lane, name, context));
        return { name, lane, ackWaitMs: info.config.ack_wait / NS };
      } catch (error) {
        // Another client makes it at this moment, or the cluster has no leader for it yet.
        if (!(error instanceof ServerRefusal) || attempt === MAX_ATTEMPTS) throw error;
        await pause(50 * attempt);
      }
    }
  }

  async #find(name: string, context?: CallContext): Promise<ConsumerInfo | undefined> {
    try {
      return await this.#requests.api<ConsumerInfo>(`CONSUMER.INFO.${this.#names.queues}.${name}`, undefined, context);
    } catch (error) {
      if (error instanceof ServerRefusal && error.code === NOT_FOUND) return undefined;
      throw error;
    }
  }

  async #create(queue: KnownQueue, lane: Lane, name: string, context?: CallContext): Promise<ConsumerInfo> {
    const stream = this.#names.queues;
    const filter = this.#names.lane(queue.name, lane);
    const ackWaitMs = lane === 'delayed' ? DELAYED_WAIT_MS : queue.record.settings.leaseMs;
    const replicas = this.#replicas ?? (queue.name.startsWith('$') ? 1 : 0);
    const config = {
      ...{ name, durable_name: name, filter_subject: filter, ack_policy: 'explicit', ack_wait: ackWaitMs * NS },
      ...{ deliver_policy: 'all', replay_policy: 'instant', max_waiting: MAX_WAITING, num_replicas: replicas },
      max_ack_pending: lane.startsWith('k') ? 1 : -1,
      metadata: { queue: queue.name, lane },
    };
    const path = `CONSUMER.CREATE.${stream}.${name}.${filter}`;
    return this.#requests.api<ConsumerInfo>(path, { stream_name: stream, config, action: 'create' }, context);
  }

  /** A consumer missing after earlier receives was lost. All clients learn this before a new one is created. */
  async #markUncertain({ name }: KnownQueue): Promise<void> {
    const request = { seq: 1, next_by_subj: this.#names.records(name), batch: 1 };
    const { messages } = await this.#requests.get(this.#names.ledger, request);
    if (messages.length === 0) return;
    const last = await this.#requests.lastSequence(this.#names.queues);
    await this.#records.change(name, (record) => record && { ...record, uncertainUpTo: last });
  }
}

const MAX_ATTEMPTS = 5;
