/** Durable requests: through the inbox of the responder and a queue of their own for the replies. */

import { BusbarError, invalid } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { Delivery, Message, MessageInput } from '../../contract/message.ts';
import type { CallOptions } from '../../contract/transport.ts';
import { deriveId } from '../messages/deterministic-id.ts';
import { inboxOf } from '../registry/agent-names.ts';
import type { BusKernel } from '../runtime.ts';
import { hasExpired } from '../tasks/expired.ts';
import { isPart } from './replies.ts';

/** One durable request. */
export interface DurableAsk {
  /** The agent in whose name it is asked. */
  readonly asker: string | undefined;
  /** The agent that shall answer. */
  readonly responder: string;
  readonly input: MessageInput;
  /** Whether it may have been asked before, since the user gave its id. */
  readonly mayBeKnown: boolean;
  readonly timeoutMs: number;
  readonly ttlMs: number | undefined;
  readonly bounds: CallOptions;
}

/** Longer than the shortest dedupe memory: who asks again while the request counts as a duplicate finds its answer. */
const MIN_KEPT_MS = 150_000;
const MAX_KEPT_MS = 604_800_000;
/** How long a restarted asker waits for a reply that the one before had taken. */
const REPLY_LEASE_MS = 5000;
const MAX_REPLIES = 64;

/** Asks. Yields replies, the last one is the answer. Leaving before that keeps the request and its replies. */
export async function* askDurably(kernel: BusKernel, ask: DurableAsk): AsyncGenerator<Message> {
  const { input, timeoutMs } = ask;
  const deadline = performance.now() + timeoutMs;
  const id = input.id ?? newId();
  const queue = replyQueueOf(ask.asker, id);
  await openReplyQueue(kernel, queue, ask);
  let isUnknown = false;
  let answer: Delivery | undefined;
  try {
    let replies = ask.mayBeKnown ? await take(kernel, queue, ask, 0) : [];
    if (replies.length === 0) await sendOnce(kernel, ask, { ...input, id, replyTo: queue });
    while (true) {
      for (const reply of replies) {
        if (!isPart(reply)) answer = reply;
        yield reply;
        if (answer !== undefined) return;
        void kernel.leases.settleNow({ receipt: reply.receipt, action: 'ack' });
      }
      const left = deadline - performance.now();
      if (left <= 0) throw timedOut();
      replies = await take(kernel, queue, ask, left);
    }
  } catch (error) {
    if (error instanceof BusbarError && error.code === 'NOT_FOUND') isUnknown = true;
    throw error;
  } finally {
    if (answer !== undefined && ask.mayBeKnown) {
      // Left there until the queue expires, for who asks again: a handler that runs once more, a process that restarted.
      void kernel.leases.settleNow({ receipt: answer.receipt, action: 'release' });
    } else if (answer !== undefined || isUnknown) {
      kernel.transport.admin.deleteQueue(queue).catch((error: unknown) => kernel.report(error, 'request'));
    }
  }
}

/** The queue of the replies: each request has its own, the same after a restart, so that nobody takes another's. */
function replyQueueOf(asker: string | undefined, id: string): string {
  if (asker !== undefined) return `$reply.${deriveId(`${asker}\n${id}`)}`;
  throw invalid('a durable request needs an asker', 'Ask in the name of an agent: (await bus.agent(name)).request(…).');
}

async function openReplyQueue(kernel: BusKernel, queue: string, { timeoutMs, ttlMs }: DurableAsk): Promise<void> {
  const expireIdleMs = Math.min(MAX_KEPT_MS, Math.max(MIN_KEPT_MS, ttlMs ?? timeoutMs));
  const settings = { expireIdleMs, leaseMs: REPLY_LEASE_MS, maxAttempts: 1000, deadTtlMs: 1000 };
  await kernel.transport.queues.configure(queue, settings);
}

/** A request under way: it has an id of its own, and names its queue of replies. */
type RequestInput = MessageInput & { readonly id: string; readonly replyTo: string };

/** Sends the request unless it waits in the inbox already, or was answered. */
async function sendOnce(kernel: BusKernel, ask: DurableAsk, input: RequestInput): Promise<void> {
  const { responder, timeoutMs, bounds, mayBeKnown } = ask;
  const inbox = inboxOf(responder);
  const ttlMs = ask.ttlMs ?? (timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs);
  const request = { ...input, ...(ttlMs === undefined ? {} : { ttlMs }) };
  for (let round = 0; ; round += 1) {
    // An id that is taken by a request that expired unread, or by another asker's, would be refused for ever.
    const id = round === 0 ? input.id : deriveId(`${input.replyTo}\nasked again\n${round}`);
    if (mayBeKnown && (await waits(kernel, inbox, { ...input, id }, bounds))) return;
    const { status } = await kernel.sendTo(inbox, { ...request, id }, { ...bounds, create: false });
    if (status === 'stored' || !mayBeKnown) return;
    // In this order: who answers sends the answer before the request goes.
    if (await waits(kernel, inbox, { ...input, id }, bounds)) return;
    if (await isAnswered(kernel, input.replyTo, bounds)) return;
  }
}

/** Whether the answer is there, be it that another asker looks at it just now. */
async function isAnswered(kernel: BusKernel, queue: string, bounds: CallOptions): Promise<boolean> {
  const { messages } = await kernel.transport.admin.browse(queue, { limit: 1000, ...bounds });
  return messages.some(({ message }) => !isPart(message));
}

/** Whether the request is in the inbox. Throws HANDLER_FAILED where it died there. */
async function waits(
  kernel: BusKernel,
  inbox: string,
  { id, replyTo }: RequestInput,
  bounds: CallOptions,
): Promise<boolean> {
  const { messages } = await kernel.transport.admin.browse(inbox, { ids: [id], ...bounds });
  const found = messages.find(({ message }) => message.replyTo === replyTo);
  if (found?.dead === undefined) return found !== undefined && !hasExpired(found);
  throw new BusbarError('HANDLER_FAILED', `the request is a dead letter: ${found.dead.reason}`, {
    hint: 'Redrive it, or ask with another id.',
    outcome: 'unknown',
  });
}

async function take(
  kernel: BusKernel,
  queue: string,
  { asker, bounds }: DurableAsk,
  waitMs: number,
): Promise<Delivery[]> {
  const { signal } = bounds;
  const wanted = { max: MAX_REPLIES, waitMs, ...(asker === undefined ? {} : { consumer: asker }) };
  return kernel.transport.queues.receive(queue, signal === undefined ? wanted : { ...wanted, signal });
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Ask again with the same id to go on waiting, or look at the responder.',
  });
}
