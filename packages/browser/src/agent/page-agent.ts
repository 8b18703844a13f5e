/** The agent that a page is: its inbox, its requests and its presence. */

import { addressOf, identityKey, inboxOf, readIdentity, toFailedReply, toReply, toResponse } from '@busbar/api/parts';
import { type CallHandler, invalid, type Service } from '@busbar/api/transport';
import type { Handler } from '../page-bus.ts';
import type { PageCore } from '../page-core.ts';
import { QueueConsumer } from '../work/queue-consumer.ts';
import { Handlers } from './handlers.ts';
import { Presence } from './presence.ts';
import { Responder } from './responder.ts';

const encoder = new TextEncoder();

export class PageAgent {
  readonly #core: PageCore;
  readonly #name: string;
  readonly #handlers = new Handlers();
  readonly #responder: Responder;
  readonly #forget: (() => void)[] = [];
  #service: Service | undefined;
  #presence: Presence | undefined;
  #inbox: QueueConsumer | undefined;

  constructor(core: PageCore, name: string) {
    this.#core = core;
    this.#name = name;
    this.#responder = new Responder(core, this.#handlers);
  }

  /** Creates the inbox, serves requests and goes online. */
  async open(): Promise<void> {
    const { store, shutdown, settings } = this.#core;
    await this.#declare();
    this.#service = await store.bounded(undefined, (context) => {
      const { maxConcurrent } = settings;
      const respond: CallHandler = (message, { signal }) => this.#responder.respond(message, signal);
      return store.calls.serve(addressOf(this.#name), maxConcurrent, respond, context);
    });
    const presence = new Presence(this.#core, this.#name, () => this.#responder.running + (this.#inbox?.running ?? 0));
    this.#presence = presence;
    await presence.write();
    this.#forget.push(
      shutdown.add('consumers', this),
      this.#core.onReset(async () => {
        await this.#declare();
        await presence.write();
      }),
    );
  }

  /** Adds a handler. The first one begins to take messages from the inbox. */
  handle(type: string, handler: Handler<never>): void {
    this.#handlers.add(type, handler);
    this.#inbox ??= this.#consume();
  }

  /** Goes offline and takes no more requests. */
  async close(): Promise<void> {
    for (const forget of this.#forget.splice(0)) forget();
    await Promise.all([this.#presence?.end(), this.#service?.close()]);
  }

  #consume(): QueueConsumer {
    const { bodies, settings } = this.#core;
    const responder = this.#responder;
    return new QueueConsumer(this.#core, {
      queue: inboxOf(this.#name),
      concurrency: settings.maxConcurrent,
      handle: async (message, delivery, signal) => {
        let parts = 0;
        const reply = (part: unknown): Promise<void> => {
          parts += 1;
          return responder.reply(delivery, () => toReply(bodies, 'part', part), String(parts));
        };
        return this.#handlers.find(message.type)(message, { signal, attempt: delivery.attempt, reply });
      },
      onDone: (delivery, result) => responder.reply(delivery, () => toResponse(bodies, result), 'end'),
      onFailed: async (delivery, { thrown, isFinal }) => {
        if (isFinal) await responder.reply(delivery, () => toFailedReply('failed', thrown), 'end');
      },
    });
  }

  /** Creates the inbox and the identity. An existing identity keeps its time of registration. */
  async #declare(): Promise<void> {
    const { store, settings } = this.#core;
    const { capabilities, maxConcurrent: limit } = settings;
    await store.bounded(undefined, (context) => store.queues.configure(inboxOf(this.#name), {}, context));
    for (;;) {
      const entry = await store.kv.get(identityKey(this.#name));
      const registeredAt = (entry && readIdentity(entry)?.registeredAt) ?? Date.now();
      const identity = encoder.encode(JSON.stringify({ name: this.#name, capabilities, limit, registeredAt }));
      const put = await store.kv.put(identityKey(this.#name), identity, { ifRevision: entry?.revision ?? 0 });
      if (put.status === 'stored') return;
    }
  }
}

/** INVALID_ARGUMENT: the page has no agent. */
export function noAgent(): Error {
  return invalid('a page without an agent handles nothing', 'Connect with agent: NAME.');
}
