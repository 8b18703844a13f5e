/** Publishing: what is published on one topic in one turn travels in one script, with the queues that get it. */

import type { CallContext, PreparedMessage } from '@busbar/api/driver';
import type { BusbarError, PublishResult } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import type { Turn } from '../connection/tick-batcher.ts';
import { toRedisError } from '../errors.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { boundless } from '../maintenance/scheduler.ts';
import type { Settings } from '../options.ts';
import { type Content, toContent } from '../queues/stored-message.ts';
import type { Bindings } from './bindings.ts';
import { writePassing } from './ephemeral-event.ts';
import { toPosition } from './position.ts';

/** What one script takes at most: copies into queues count too. */
const MAX_EVENTS = 256;
const MAX_COPIES = 1024;
const MAX_BYTES = 1_048_576;

interface Publishing {
  readonly id: string;
  readonly content: Content;
  readonly deadline: number;
  readonly done: (result: PublishResult) => void;
  readonly refuse: (error: BusbarError) => void;
}

interface Passing {
  readonly payloads: readonly Buffer[];
  readonly deadline: number;
  readonly done: () => void;
  readonly refuse: (error: BusbarError) => void;
}

interface Batch {
  readonly topic: string;
  readonly items: readonly Publishing[];
  readonly deadline: number;
}

export class Publisher {
  readonly #link: Link;
  readonly #turn: Turn;
  readonly #bindings: Bindings;
  readonly #settings: Settings;
  readonly #store: string;
  /** Batches that wait for the bindings, in order. */
  #held: Batch[] = [];
  #isLoading = false;

  constructor(link: Link, turn: Turn, bindings: Bindings, settings: Settings, store: string) {
    this.#link = link;
    this.#turn = turn;
    this.#bindings = bindings;
    this.#settings = settings;
    this.#store = store;
  }

  publish(topic: string, messages: readonly PreparedMessage[], { deadline }: CallContext): Promise<PublishResult[]> {
    if (messages.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const results: PublishResult[] = new Array(messages.length);
      let left = messages.length;
      for (const [index, message] of messages.entries()) {
        const done = (result: PublishResult): void => {
          results[index] = result;
          left -= 1;
          if (left === 0) resolve(results);
        };
        const publishing = { id: message.id, content: toContent(message), deadline, done, refuse: reject };
        this.#turn.add<Publishing>(`publish ${topic}`, publishing, (items) => this.#flush(topic, items));
      }
    });
  }

  /** Hands events to whoever listens now. */
  pass(topic: string, messages: readonly PreparedMessage[], { deadline }: CallContext): Promise<PublishResult[]> {
    if (messages.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const payloads = messages.map((message) => writePassing(topic, toContent(message)));
      const done = (): void => resolve(messages.map(({ id }) => ({ id, status: 'stored' })));
      this.#turn.add<Passing>(`pass ${topic}`, { payloads, deadline, done, refuse: reject }, (items) =>
        this.#pass(topic, items),
      );
    });
  }

  #pass(topic: string, items: readonly Passing[]): void {
    const deadline = Math.max(...items.map((item) => item.deadline));
    const args = [topic, ...items.flatMap(({ payloads }) => payloads)];
    this.#link.run(SCRIPTS.pass, args, { deadline, repeat: false }).then(
      () => {
        for (const { done } of items) done();
      },
      (error: unknown) => {
        for (const { refuse } of items) refuse(toRedisError(error));
      },
    );
  }

  #flush(topic: string, items: readonly Publishing[]): void {
    const copies = this.#bindings.knownFor(topic)?.queues.length ?? 0;
    const most = Math.max(1, Math.min(MAX_EVENTS, Math.floor(MAX_COPIES / Math.max(1, copies))));
    for (let from = 0; from < items.length; ) {
      let to = from;
      let deadline = 0;
      for (let bytes = 0; to < items.length && to - from < most && bytes < MAX_BYTES; to += 1) {
        bytes += items[to]?.content.body.byteLength ?? 0;
        deadline = Math.max(deadline, items[to]?.deadline ?? 0);
      }
      this.#submit({ topic, items: items.slice(from, to), deadline });
      from = to;
    }
  }

  #submit(batch: Batch): void {
    const known = this.#isLoading ? undefined : this.#bindings.knownFor(batch.topic);
    if (known === undefined) this.#hold(batch);
    else this.#append(batch, known);
  }

  #append(batch: Batch, { version, queues }: { version: string; queues: readonly string[] }): void {
    const { topic, items, deadline } = batch;
    const { topicDedupeMs, retention } = this.#settings;
    const bounds = [retention.maxEvents, retention.maxBytes, retention.maxAgeMs].map(boundless);
    const args: Argument[] = [topic, version, topicDedupeMs, ...bounds, queues.length, ...queues];
    for (const { content } of items) args.push(content.key, content.head, content.body);
    let isRepeated = false;
    const onRepeat = (): void => {
      isRepeated = true;
    };
    this.#link.run(SCRIPTS.publish, args, { deadline, repeat: true, onRepeat }).then(
      (reply) => {
        if (Array.isArray(reply)) this.#answer(items, reply, isRepeated);
        else {
          this.#bindings.forget();
          this.#hold(batch);
        }
      },
      (error: unknown) => fail(items, toRedisError(error)),
    );
  }

  #answer(items: readonly Publishing[], reply: readonly unknown[], isRepeated: boolean): void {
    for (const [index, { id, done }] of items.entries()) {
      const isStored = isRepeated || String(reply[2 * index]) === 's';
      const position = toPosition(this.#store, String(reply[2 * index + 1]));
      done({ id, status: isStored ? 'stored' : 'duplicate', position });
    }
  }

  /** The bindings are not known, or others: what was held goes on in order once they are read. */
  #hold(batch: Batch): void {
    this.#held.push(batch);
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#bindings.all(batch.deadline).then(
      () => this.#release(),
      (error: unknown) => {
        this.#isLoading = false;
        for (const { items } of this.#held.splice(0)) fail(items, toRedisError(error));
      },
    );
  }

  #release(): void {
    this.#isLoading = false;
    for (const batch of this.#held.splice(0)) this.#flush(batch.topic, batch.items);
  }
}

function fail(items: readonly Publishing[], error: BusbarError): void {
  for (const { id, done, refuse } of items) {
    if (error.code === 'UNAVAILABLE' || error.code === 'CLOSED') refuse(error);
    else done({ id, status: error.outcome, error });
  }
}
