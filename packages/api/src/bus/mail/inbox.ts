/** Consumes the inbox of an agent: runs handlers and sends the replies of durable requests. */

import { isBusbarError } from '../../contract/errors.ts';
import type { Delivery, MessageInput } from '../../contract/message.ts';
import { Consumer } from '../consuming/consumer.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import type { Failure } from '../consuming/failure.ts';
import { refusalOf } from '../consuming/handlers.ts';
import { Causation } from '../messages/causation.ts';
import { deriveId } from '../messages/deterministic-id.ts';
import { type Later, later } from '../messages/later.ts';
import { inboxOf } from '../registry/agent-names.ts';
import type { AgentSettings } from '../registry/agent-options.ts';
import { toFailedReply, toReply, toResponse } from '../requests/replies.ts';
import type { ResponderPlan } from '../requests/responder.ts';
import type { BusRuntime } from '../runtime.ts';

/** What an inbox works with. */
export interface InboxPlan extends ResponderPlan {
  readonly instance: string;
  readonly settings: AgentSettings;
}

/** Starts to consume the inbox of an agent. */
export function consumeInbox(runtime: BusRuntime, plan: InboxPlan): Consumer {
  const { agent, instance, settings } = plan;
  const queue = inboxOf(agent);
  const inbox = new Inbox(runtime, plan);
  return new Consumer(runtime, {
    queue,
    consumer: `${agent}/${instance}`.slice(0, 255),
    concurrency: settings.maxConcurrent,
    retry: settings.retry,
    onInvalid: settings.onInvalid,
    maxAttempts: settings.maxAttempts,
    place: { kind: 'message', agent },
    handle: (delivery, lease) => inbox.handle(delivery, lease),
    onDone: (delivery, result) => inbox.respond(delivery, () => toResponse(runtime.bodyCodec, result)),
    onFailed: (delivery, failure) => inbox.fail(delivery, failure),
  });
}

class Inbox {
  readonly #runtime: BusRuntime;
  readonly #plan: InboxPlan;

  constructor(runtime: BusRuntime, plan: InboxPlan) {
    this.#runtime = runtime;
    this.#plan = plan;
  }

  async handle(delivery: Delivery, lease: DeliveryLease): Promise<unknown> {
    const { agent, handlers, timings, log } = this.#plan;
    const { bodyCodec, leases } = this.#runtime;
    const startedAt = performance.now();
    let parts = 0;
    const stream = (kind: 'part' | 'progress') => async (value: unknown) => {
      parts += 1;
      const place = String(parts);
      return later(toReply(bodyCodec, kind, value), (reply) => sendReply(this.#runtime, agent, delivery, reply, place));
    };
    try {
      const origin = { from: agent, cause: new Causation(delivery, delivery.queue) };
      return await handlers.run(delivery, origin, {
        attempt: delivery.attempt,
        source: { kind: 'message', agent },
        signalOf: lease,
        log,
        begin: () => leases.check(lease),
        extend: () => leases.extend(lease),
        ...(delivery.replyTo === undefined ? {} : { reply: stream('part'), progress: stream('progress') }),
      });
    } finally {
      timings.add(delivery.type ?? '', performance.now() - startedAt);
    }
  }

  /** Replies if there is a requester. */
  async respond(delivery: Delivery, reply: () => Later<MessageInput>): Promise<undefined> {
    if (delivery.replyTo === undefined) return;
    await sendReply(this.#runtime, this.#plan.agent, delivery, await reply(), 'end');
    return undefined;
  }

  /** Reports the last failure to the requester. Earlier failures are retried. */
  async fail(delivery: Delivery, { thrown, isFinal }: Failure): Promise<undefined> {
    if (!isFinal) return;
    const refusal = refusalOf(thrown);
    const isRefused = refusal !== undefined || !this.#plan.handlers.has(delivery.type);
    await this.respond(delivery, () => toFailedReply(isRefused ? 'refused' : 'failed', refusal ?? thrown));
  }
}

/**
 * Sends a reply to the reply queue of the request. Its id is derived from the request's, so a request that is handled twice
 * gets one reply. Does nothing when the reply queue is gone.
 */
export async function sendReply(
  runtime: BusRuntime,
  agent: string,
  request: Delivery,
  reply: MessageInput,
  place: string,
): Promise<void> {
  const { id, replyTo, from, hops } = request;
  if (replyTo === undefined) return;
  const input = {
    ...reply,
    id: deriveId(`${id}\n${request.queue}\nreply\n${place}`),
    from: agent,
    to: from,
    correlationId: id,
    causationId: id,
    hops: Math.min(255, hops + 1),
  };
  try {
    await runtime.sendToQueue(replyTo, input, { create: false });
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'NOT_FOUND') throw error;
  }
}
