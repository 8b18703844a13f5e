/** Durable requests: through the inbox of the responder and a queue of their own for the replies. */

import { BusbarError, invalid } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import type { CallOptions } from '../../contract/transport.ts';
import { deriveId } from '../messages/deterministic-id.ts';
import { inboxOf } from '../registry/agent-names.ts';
import type { BusRuntime } from '../runtime.ts';
import { hasExpired } from '../tasks/task-tracker.ts';
import { isPart } from './replies.ts';

/** One durable request. */
export interface DurableRequest {
  /** The agent in whose name it is asked. */
  readonly requester: string | undefined;
  /** The agent that shall response. */
  readonly responder: string;
  readonly input: MessageInput;
  /** Whether it may have been asked before, since the user gave its id. */
  readonly mayBeKnown: boolean;
  readonly timeoutMs: number;
  readonly ttlMs: number | undefined;
  readonly bounds: CallOptions;
}

/** Longer than the shortest dedupe memory: who asks again while the request counts as a duplicate finds its response. */
const MIN_KEPT_MS = 150_000;
const MAX_KEPT_MS = 604_800_000;
/** How long a restarted requester waits for a reply that the one before had taken. */
const REPLY_LEASE_MS = 5000;
const MAX_REPLIES = 64;

/** Asks. Yields replies, the last one is the response. Leaving before that keeps the request and its replies. */
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
    if (error instanceof BusbarError && error.code === 'NOT_FOUND') isUnknown = true;
    throw error;
  } finally {
    if (response !== undefined && request.mayBeKnown) {
      // Left there until the queue expires, for who asks again: a handler that runs once more, a process that restarted.
      void runtime.leases.settleNow({ receipt: response.receipt, action: 'release' });
    } else if (response !== undefined || isUnknown) {
      runtime.transport.admin.deleteQueue(queue).catch((error: unknown) => runtime.report(error, 'request'));
    }
  }
}

/** The queue of the replies: each request has its own, the same after a restart, so that nobody takes another's. */
function replyQueueOf(requester: string | undefined, id: string): string {
  if (requester !== undefined) return `$reply.${deriveId(`${requester}\n${id}`)}`;
  throw invalid(
    'a durable request needs an requester',
    'Ask in the name of an agent: (await bus.agent(name)).request(…).',
  );
}

async function openReplyQueue(runtime: BusRuntime, queue: string, { timeoutMs, ttlMs }: DurableRequest): Promise<void> {
  const expireIdleMs = Math.min(MAX_KEPT_MS, Math.max(MIN_KEPT_MS, ttlMs ?? timeoutMs));
  const settings = { expireIdleMs, leaseMs: REPLY_LEASE_MS, maxAttempts: 1000, deadTtlMs: 1000 };
  await runtime.transport.queues.configure(queue, settings);
}

/** A request under way: it has an id of its own, and names its queue of replies. */
type RequestInput = MessageInput & { readonly id: string; readonly replyTo: string };

/** Sends the request unless it waits in the inbox already, or was answered. */
async function sendOnce(runtime: BusRuntime, request: DurableRequest, input: RequestInput): Promise<void> {
  const { responder, timeoutMs, bounds, mayBeKnown } = request;
  const inbox = inboxOf(responder);
  const ttlMs = request.ttlMs ?? (timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs);
  const message = { ...input, ttlMs };
  for (let round = 0; ; round += 1) {
    // An id that is taken by a request that expired unread, or by another requester's, would be refused for ever.
    const id = round === 0 ? input.id : deriveId(`${input.replyTo}\nasked again\n${round}`);
    if (mayBeKnown && (await waits(runtime, inbox, { ...input, id }, bounds))) return;
    const { status } = await runtime.sendToQueue(inbox, { ...message, id }, { ...bounds, create: false });
    if (status === 'stored' || !mayBeKnown) return;
    // In this order: who answers sends the response before the request goes.
    if (await waits(runtime, inbox, { ...input, id }, bounds)) return;
    if (await isAnswered(runtime, input.replyTo, bounds)) return;
  }
}

/** Whether the response is there, be it that another requester looks at it just now. */
async function isAnswered(runtime: BusRuntime, queue: string, bounds: CallOptions): Promise<boolean> {
  const { messages } = await runtime.transport.admin.browse(queue, { limit: 1000, ...bounds });
  return messages.some(({ message }) => !isPart(message));
}

/** Whether the request is in the inbox. Throws HANDLER_FAILED where it died there. */
async function waits(
  runtime: BusRuntime,
  inbox: string,
  { id, replyTo }: RequestInput,
  bounds: CallOptions,
): Promise<boolean> {
  const { messages } = await runtime.transport.admin.browse(inbox, { ids: [id], ...bounds });
  const found = messages.find(({ message }) => message.replyTo === replyTo);
  if (found?.dead === undefined) return found !== undefined && !hasExpired(found);
  throw new BusbarError('HANDLER_FAILED', `the request is a dead letter: ${found.dead.reason}`, {
    hint: 'Redrive it, or request with another id.',
    outcome: 'unknown',
  });
}

async function take(
  runtime: BusRuntime,
  queue: string,
  { requester, bounds }: DurableRequest,
  waitMs: number,
): Promise<Delivery[]> {
  const { signal } = bounds;
  const wanted = { max: MAX_REPLIES, waitMs, ...(requester === undefined ? {} : { consumer: requester }) };
  return runtime.transport.queues.receive(queue, signal === undefined ? wanted : { ...wanted, signal });
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Ask again with the same id to go on waiting, or look at the responder.',
  });
}
