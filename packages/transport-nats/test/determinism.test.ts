// Every replica comes to the same state: by carrying out the operations themselves, by reading their records, and by
// going on from a snapshot of any moment.
import type { PreparedMessage } from '@busbar/api/driver';
import { type Delivery, isBusbarError, type Settlement } from '@busbar/api/transport';
import { expect, test } from 'vitest';
import { decodeRecord, encodeRecord } from '../src/record.ts';
import { apply } from '../src/state/apply.ts';
import { Namespace } from '../src/state/namespace.ts';
import type { Operation } from '../src/state/operation.ts';
import { loadSnapshot, takeSnapshot } from '../src/state/snapshot.ts';

const RETENTION = { maxAgeMs: 60_000, maxEvents: 200, maxBytes: 1_000_000 };
const QUEUES = ['a', 'b', 'c'];
const TOPICS = ['x.one', 'x.two', 'y'];

/** Numbers that look random and are the same for one seed: 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function emptyState(): Namespace {
  return new Namespace('store', RETENTION, { ready: () => undefined, used: () => undefined });
}

/** What a state is, to compare. */
function pictureOf(namespace: Namespace): string[] {
  return takeSnapshot(namespace).map((piece) => piece.toString('latin1'));
}

class Script {
  readonly #next: () => number;
  readonly #leased: Delivery[] = [];
  #ids = 0;

  constructor(seed: number) {
    this.#next = numbers(seed);
  }

  /** From 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  note(deliveries: readonly Delivery[]): void {
    this.#leased.push(...deliveries);
  }

  operation(): Operation {
    const queue = this.#one(QUEUES);
    switch (this.below(14)) {
      case 0:
      case 1:
      case 2:
        return { op: 'send', queue, create: this.below(9) > 0, messages: this.#messages() };
      case 3:
      case 4:
        return { op: 'claim', queue, max: 1 + this.below(4), consumer: this.#one([undefined, 'me']) };
      case 5:
      case 6:
        return { op: 'settle', settlements: [this.#settlement()] };
      case 7:
        return { op: 'publish', topic: this.#one(TOPICS), messages: this.#messages() };
      case 8:
        return { op: 'bind', queue, pattern: this.#one(['>', 'x.*', 'y']), since: this.#one([undefined, 0]) };
      case 9:
        return { op: 'put', key: this.#one(TOPICS), value: this.#bytes(), condition: this.#condition() };
      case 10:
        return { op: 'delete', key: this.#one(TOPICS), ifRevision: this.#one([undefined, this.below(50)]) };
      case 11:
        return this.#rare(queue);
      default:
        return { op: 'tick' };
    }
  }

  #rare(queue: string): Operation {
    switch (this.below(6)) {
      case 0:
        return { op: 'redrive', queue, ids: undefined, limit: 2 };
      case 1:
        return { op: 'purge', queue, state: this.#one(['ready', 'delayed', 'dead'] as const), ids: undefined };
      case 2:
        return { op: 'deleteQueue', queue };
      case 3:
        return { op: 'unbind', queue, pattern: 'x.*' };
      case 4:
        return { op: 'cancel', queue, ids: [`id-${this.below(this.#ids + 1)}`] };
      default:
        return {
          op: 'configure',
          queue,
          settings: { maxAttempts: this.#one([1, 3, Number.POSITIVE_INFINITY]), leaseMs: 1_000, maxLength: 30 },
        };
    }
  }

  #settlement(): Settlement {
    const [delivery] = this.#leased.splice(this.below(this.#leased.length), 1);
    const receipt = delivery?.receipt ?? 'a#none';
    return this.#one<Settlement>([
      { receipt, action: 'ack' },
      { receipt, action: 'release' },
      { receipt, action: 'retry', delayMs: this.below(3_000), reason: 'grüße' },
      { receipt, action: 'reject', reason: 'no' },
      { receipt, action: 'extend' },
    ]);
  }

  #messages(): PreparedMessage[] {
    return Array.from({ length: 1 + this.below(3) }, () => this.#message());
  }

  #message(): PreparedMessage {
    this.#ids += 1;
    return {
      id: this.below(10) === 0 ? `id-${this.below(this.#ids)}` : `id-${this.#ids}`,
      body: this.#bytes(),
      contentType: this.#one(['application/octet-stream', 'text/plain']),
      headers: this.#one([{}, { trace: 'ü\n"' }]),
      type: undefined,
      from: this.#one([undefined, 'agent']),
      to: undefined,
      topic: undefined,
      priority: this.below(10),
      orderingKey: this.#one([undefined, undefined, 'k', 'l']),
      correlationId: undefined,
      causationId: undefined,
      hops: this.below(2),
      replyTo: undefined,
      sentAt: 1_000 + this.#ids,
      delayMs: this.#one([0, 0, 0, 700]),
      ttlMs: this.#one([undefined, undefined, 2_500]),
      maxAttempts: this.#one([undefined, 2]),
    };
  }

  #condition(): { ttlMs: number | undefined; ifRevision: number | undefined } {
    return { ttlMs: this.#one([undefined, 1_500]), ifRevision: this.#one([undefined, 0]) };
  }

  #bytes(): Uint8Array {
    return Buffer.from(Array.from({ length: this.below(20) }, () => this.below(256)));
  }

  #one<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
}

function carryOut(namespace: Namespace, at: number, record: number, operations: readonly Operation[]): unknown[] {
  namespace.agenda.advance(at);
  const place = { record, events: 0, isOwn: true };
  return operations.map((operation) => {
    try {
      return apply(namespace, operation, place);
    } catch (error) {
      if (isBusbarError(error)) return error.code;
      throw error;
    }
  });
}

test.for([1, 2, 3, 4, 5, 6, 7, 8])('three replicas come to one state (seed %i)', (seed) => {
  const script = new Script(seed);
  const author = emptyState();
  const reader = emptyState();
  let late = emptyState();
  let at = 1_000_000;
  for (let record = 1; record <= 1_500; record += 1) {
    at += script.below(20) === 0 ? -5 : script.below(150) + 0.25;
    const operations = Array.from({ length: 1 + script.below(3) }, () => script.operation());
    const data = encodeRecord({ author: 'me', number: record, operations });
    const results = carryOut(author, at, record, operations);
    results.forEach((result, index) => {
      if (operations[index]?.op === 'claim') script.note(result as Delivery[]);
    });
    expect(carryOut(reader, at, record, decodeRecord(data).operations)).toEqual(results);
    expect(carryOut(late, at, record, decodeRecord(data).operations)).toEqual(results);
    if (record % 250 !== 0) continue;
    expect(pictureOf(reader)).toEqual(pictureOf(author));
    expect(pictureOf(late)).toEqual(pictureOf(author));
    late = emptyState();
    loadSnapshot(late, takeSnapshot(author));
  }
});
