/** Durable requests: sent to the inbox of the responder, with a reply queue of their own. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import { deriveId } from '../messages/deterministic-id.ts';
import { inboxOf, REPLY_PREFIX } from '../registry/agent-names.ts';
import type { BusRuntime } from '../runtime.ts';
import { hasExpired } from '../tasks/task-state.ts';
import { isPart } from './replies.ts';

/** One durable request. */
export interface DurableRequest {
  /** The agent that sends it. */
  readonly requester: string | undefined;
  /** The agent that responds. */
  readonly responder: string;
  readonly input: MessageInput;
  /** Whether it may be a repetition, because its id is not random. */
  readonly mayBeKnown: boolean;
  readonly timeoutMs: number;
  readonly ttlMs: number | undefined;
  readonly bounds: CallOptions;
}

/** Longer than the shortest dedupe window: a repeated request that counts as a duplicate finds its response. */
const MIN_KEPT_MS = 150_000;
const MAX_KEPT_MS = 604_800_000;
/** How long a restarted requester waits for a reply that it had leased before. */
const REPLY_LEASE_MS = 5000;
const MAX_REPLIES = 64;

/** Sends the request and yields replies; the last one is the response. Leaving early keeps the request and its replies. */
export async function* requestDurably(runtime: BusRuntime, request: DurableRequest): AsyncGenerator<Message> {
  const { input, timeoutMs } = request;
  const deadline = performance.now() + timeoutMs;
  const id = input.id ?? newId();
  const queue = replyQueueOf(request.requester, id);
  await openReplyQueue(runtime, queue, request);
  let isUnknown = false;
  let response: Delivery | undefined;
  try {
    let replies = request.mayBeKnown ? await take(runtime, queue, request, 0) : [];
    if (replies.length === 0) await sendOnce(runtime, request, { ...input, id, replyTo: queue });
    while (true) {
      for (const reply of replies) {
        if (!isPart(reply)) response = reply;
        yield reply;
        if (response !== undefined) return;
        void runtime.leases.settleNow({ receipt: reply.receipt, action: 'ack' });
      }
      const left = deadline - performance.now();
      if (left <= 0) throw timedOut();
      replies = await take(runtime, queue, request, left);
    }
  } catch (error) {
    if (isBusbarError(error) && error.code === 'NOT_FOUND') isUnknown = true;
    throw error;
  } finally {
    if (response !== undefined && request.mayBeKnown) {
      // The response stays until the queue expires, for a repeated request after a redelivery or a restart.
      void runtime.leases.settleNow({ receipt: response.receipt, action: 'release' });
    } else if (response !== undefined || isUnknown) {
      runtime.transport.admin.deleteQueue(queue).catch((error: unknown) => runtime.report(error, { kind: 'request' }));
    }
  }
}

/** The reply queue. Each request has its own; a repeated request has the same. */
function replyQueueOf(requester: string | undefined, id: string): string {
  if (requester !== undefined) return `${REPLY_PREFIX}${deriveId(`${requester}\n${id}`)}`;
  throw invalid('a durable request needs a requester', 'Send it from an agent: (await bus.agent(name)).request(…).');
}

async function openReplyQueue(runtime: BusRuntime, queue: string, { timeoutMs, ttlMs }: DurableRequest): Promise<void> {
  const expireIdleMs = Math.min(MAX_KEPT_MS, Math.max(MIN_KEPT_MS, ttlMs ?? timeoutMs));
  const settings = { expireIdleMs, leaseMs: REPLY_LEASE_MS, maxAttempts: 1000, deadTtlMs: 1000 };
  await runtime.transport.queues.configure(queue, settings);
}

/** A request with its id and its reply queue. */
type RequestInput = MessageInput & { readonly id: string; readonly replyTo: string };

/** Sends the request unless it is in the inbox or has its response. */
async function sendOnce(runtime: BusRuntime, request: DurableRequest, input: RequestInput): Promise<void> {
  const { responder, timeoutMs, bounds, mayBeKnown } = request;
  const inbox = inboxOf(responder);
  const ttlMs = request.ttlMs ?? (timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs);
  const message = { ...input, ttlMs };
  for (let round = 0; ; round += 1) {
    // An id of a request that expired unread, or of another requester, would stay a duplicate.
    const id = round === 0 ? input.id : deriveId(`${input.replyTo}\nagain\n${round}`);
    if (mayBeKnown && (await isPending(runtime, inbox, { ...input, id }, bounds))) return;
    const { status } = await runtime.sendToQueue(inbox, { ...message, id }, { ...bounds, create: false });
    if (status === 'stored' || !mayBeKnown) return;
    // In this order: the responder sends the response before it acks the request.
    if (await isPending(runtime, inbox, { ...input, id }, bounds)) return;
    if (await hasResponse(runtime, input.replyTo, bounds)) return;
  }
}

/** Whether the reply queue has the response, even if it is leased. */
async function hasResponse(runtime: BusRuntime, queue: string, bounds: CallOptions): Promise<boolean> {
  const { messages } = await runtime.transport.admin.browse(queue, { limit: 1000, ...bounds });
  return messages.some(({ message }) => !isPart(message));
}

/** Whether the request is in the inbox. Throws HANDLER_FAILED when it is a dead letter. */
async function isPending(
  runtime: BusRuntime,
  inbox: string,
  { id, replyTo }: RequestInput,
  bounds: CallOptions,
): Promise<boolean> {
  const { messages } = await runtime.transport.admin.browse(inbox, { ids: [id], ...bounds });
  const found = messages.find(({ message }) => message.replyTo === replyTo);
  if (found?.dead === undefined) return found !== undefined && !hasExpired(found);
  throw new BusbarError('HANDLER_FAILED', `the request is a dead letter: ${found.dead.reason}`, {
    hint: 'Redrive it, or use another id.',
    outcome: 'unknown',
  });
}

async function take(
  runtime: BusRuntime,
  queue: string,
  { requester, bounds }: DurableRequest,
  waitMs: number,
): Promise<Delivery[]> {
  const options = { max: MAX_REPLIES, waitMs, consumer: requester, signal: bounds.signal };
  return runtime.transport.queues.receive(queue, options);
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Repeat the request with the same id to continue waiting, or check the responder.',
  });
}
