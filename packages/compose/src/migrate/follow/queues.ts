/** The queues of the store that carries the bus. */

import type { CallContext, PreparedMessage, QueueDriver, ReceiveRequest } from '@busbar/api/driver';
import {
  type Delivery,
  isBusbarError,
  type MessageInput,
  type SendResult,
  type Settlement,
  type SettleResult,
} from '@busbar/api/transport';
import { boundsOf, ownError, ownResult, toInput } from '../../inner/calls.ts';
import type { MigrateCalls } from './calls.ts';
import { type Carrier, untag } from './side.ts';

export function openQueues(calls: MigrateCalls): QueueDriver {
  return {
    send: (queue, messages, create, context) =>
      sendAll(calls, messages, context, ({ transport }, inputs) =>
        transport.queues.send(queue, inputs, { create, ...boundsOf(context) }),
      ),
    settle: (settlements, context) => settle(calls, settlements, context),
    configure: (queue, settings, context) =>
      calls.run(context, ({ transport }) => transport.queues.configure(queue, settings, boundsOf(context))),
    receive: (queue, request, context) => receive(calls, queue, request, context),
  };
}

/** Sends a batch, and again what a closed gate has refused. */
export async function sendAll<R extends SendResult>(
  calls: MigrateCalls,
  messages: readonly PreparedMessage[],
  context: CallContext,
  send: (carrier: Carrier, inputs: MessageInput[]) => Promise<R[]>,
): Promise<R[]> {
  const results: R[] = [];
  let left = messages.map((message, index) => ({ index, input: toInput(message) }));
  while (left.length > 0) {
    const sent = await calls.run(context, async (carrier) => {
      const inputs = left.map(({ input }) => input);
      return { carrier, results: await send(carrier, inputs) };
    });
    const refused = left.filter((_, index) => isRefused(sent.results[index]));
    for (const [index, result] of sent.results.entries()) results[left[index]?.index ?? 0] = ownResult(result);
    left = refused;
    const [first] = refused;
    if (first !== undefined) await calls.refused(sent.carrier, results[first.index]?.error, context);
  }
  return results;
}

function isRefused(result: SendResult | undefined): boolean {
  return result?.status === 'failed' && result.error?.code === 'CONFLICT';
}

/** A receipt of a store that was left is lost, and so is each one of a store that is closed. */
async function settle(
  calls: MigrateCalls,
  settlements: readonly Settlement[],
  context: CallContext,
): Promise<SettleResult[]> {
  const carrier = calls.current;
  const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
  const valid = settlements.flatMap((settlement, index) => {
    const { generation = carrier.generation, inner } = untag(settlement.receipt);
    return generation === carrier.generation ? [{ index, settlement: { ...settlement, receipt: inner } }] : [];
  });
  if (valid.length === 0) return results;
  try {
    const inner = valid.map(({ settlement }) => settlement);
    const settled = await calls.own(carrier.transport.queues.settle(inner, boundsOf(context)));
    for (const [at, result] of settled.entries()) {
      const index = valid[at]?.index ?? 0;
      results[index] = { ...result, receipt: settlements[index]?.receipt ?? '' };
    }
  } catch (error) {
    // They may have taken effect.
    if (isBusbarError(error) && error.outcome === 'unknown') throw ownError(error);
    // A gate that closes ends all leases.
    await calls.refused(carrier, error, context);
  }
  return results;
}

/** A receive that waits ends at a store that is left, and begins again at the next one. */
async function receive(
  calls: MigrateCalls,
  queue: string,
  { max, waitMs, consumer }: ReceiveRequest,
  context: CallContext,
): Promise<Delivery[]> {
  const endsAt = performance.now() + waitMs;
  for (;;) {
    const carrier = await calls.ready(context);
    const leftMs = waitMs === 0 ? 0 : Math.max(0, endsAt - performance.now());
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const free = carrier.onLeave(end);
    context.signal.addEventListener('abort', end);
    if (context.signal.aborted || carrier.isLeft) end();
    try {
      const deliveries = await carrier.transport.queues.receive(queue, {
        max,
        waitMs: leftMs,
        consumer,
        timeoutMs: Number.POSITIVE_INFINITY,
        signal: ended.signal,
      });
      // Leases of a store that was left have ended: the messages come again.
      if (!carrier.isLeft) return deliveries.map((each) => ({ ...each, receipt: carrier.tag(each.receipt) }));
    } catch (error) {
      if (!carrier.isLeft || context.signal.aborted) await calls.refused(carrier, error, context);
    } finally {
      free();
      context.signal.removeEventListener('abort', end);
    }
  }
}
