/** The queues of both sides: each message goes to one of them. */

import type { CallContext, PreparedMessage, QueueDriver } from '@busbar/api/driver';
import {
  type BusbarError,
  isBusbarError,
  type QueueSettings,
  type SendResult,
  type Settlement,
  type SettleResult,
  toBusbarError,
} from '@busbar/api/transport';
import { boundsOf, own, ownError, ownResult, timeoutOf, toInput } from '../../inner/calls.ts';
import type { Routes, SideName } from '../routes.ts';
import { type HybridSide, tagAll, untag } from '../side.ts';
import type { Sides } from '../sides.ts';
import { settleFast } from './settle-fast.ts';
import type { SharedReceives } from './shared-receives.ts';

export function openQueues(sides: Sides, routes: Routes, receives: SharedReceives): QueueDriver {
  return {
    send: (queue, messages, create, context) => {
      const routeOf = (message: PreparedMessage): SideName => routes.ofMessage(queue, message);
      return sendBySide(sides, messages, routeOf, (side, some) =>
        sendTo(sides, side, { queue, messages: some, create, isShared: routes.isShared(queue), context }),
      );
    },
    settle: (settlements, context) => settle(sides, settlements, context),
    configure: (queue, settings, context) => configure(sides, routes.isShared(queue), { queue, settings, context }),
    async receive(queue, request, context) {
      if (routes.isShared(queue)) return receives.receive(queue, request, context);
      const options = { ...request, timeoutMs: Number.POSITIVE_INFINITY, signal: context.signal };
      return tagAll('durable', await own(sides.durable.transport.queues.receive(queue, options)));
    },
  };
}

/** Sends each message to its side. If one side refuses its share, only the results of that share say so. */
export async function sendBySide<R extends SendResult>(
  sides: Sides,
  messages: readonly PreparedMessage[],
  routeOf: (message: PreparedMessage) => SideName,
  send: (side: HybridSide, messages: readonly PreparedMessage[]) => Promise<R[]>,
): Promise<R[]> {
  const routed = messages.map((message) => routeOf(message));
  const [first = 'durable'] = routed;
  if (routed.every((name) => name === first)) return own(send(sides.of(first), messages));
  const results: R[] = [];
  const errors: BusbarError[] = [];
  const sendShare = async (name: SideName): Promise<void> => {
    const places = messages.flatMap((message, index) => (routed[index] === name ? [{ message, index }] : []));
    try {
      const share = places.map(({ message }) => message);
      for (const [at, result] of (await send(sides.of(name), share)).entries())
        results[places[at]?.index ?? 0] = result;
    } catch (thrown) {
      const error = ownError(thrown);
      errors.push(error);
      for (const { message, index } of places) {
        results[index] = { id: message.id, status: error.outcome, error } as R;
      }
    }
  };
  await Promise.all([sendShare('durable'), sendShare('fast')]);
  if (errors[0] !== undefined && errors.length === 2) throw errors[0];
  return results;
}

/** What {@link sendTo} sends. */
interface Sending {
  readonly queue: string;
  readonly messages: readonly PreparedMessage[];
  readonly create: boolean;
  readonly isShared: boolean;
  readonly context: CallContext;
}

async function sendTo(sides: Sides, side: HybridSide, sending: Sending): Promise<SendResult[]> {
  if (side === sides.durable) return sendIn(sides, side, sending);
  return withFallback(sides, sending.messages, (use, messages) => sendIn(sides, use, { ...sending, messages }));
}

/** A queue that exists on the other side only exists. */
async function sendIn(sides: Sides, side: HybridSide, sending: Sending): Promise<SendResult[]> {
  const { queue, messages, create, isShared, context } = sending;
  const { queues } = side.transport;
  const inputs = messages.map(toInput);
  try {
    return sides.counted(
      side,
      (await queues.send(queue, inputs, { create, timeoutMs: timeoutOf(context) })).map(ownResult),
    );
  } catch (error) {
    const isMissing = isShared && isBusbarError(error) && error.code === 'NOT_FOUND';
    const other = sides.other(side);
    if (!isMissing || !sides.isUp(other)) throw error;
    const [known] = await other.transport.admin.queues({ names: [queue], ...boundsOf(context) });
    if (known === undefined) throw error;
    await queues.configure(queue, known.settings, boundsOf(context));
    return sides.counted(
      side,
      (await queues.send(queue, inputs, { create, timeoutMs: timeoutOf(context) })).map(ownResult),
    );
  }
}

/**
 * Sends over the fast side. What it has surely not got goes over the durable side, except messages with an ordering key:
 * their order is on one side.
 */
export async function withFallback<R extends SendResult>(
  sides: Sides,
  messages: readonly PreparedMessage[],
  send: (side: HybridSide, messages: readonly PreparedMessage[]) => Promise<R[]>,
): Promise<R[]> {
  const mayFall = messages.filter(({ orderingKey }) => orderingKey === undefined);
  if (!sides.isFastUp && mayFall.length === messages.length) return send(sides.durable, messages);
  let results: R[];
  try {
    results = await send(sides.fast, messages);
  } catch (error) {
    if (!wasNotSent(toBusbarError(error)) || mayFall.length < messages.length) throw error;
    return send(sides.durable, messages);
  }
  const left = messages.flatMap((message, index) => {
    const error = results[index]?.error;
    return error !== undefined && wasNotSent(error) && mayFall.includes(message) ? [{ message, index }] : [];
  });
  if (left.length === 0) return results;
  const again = await send(
    sides.durable,
    left.map(({ message }) => message),
  );
  for (const [at, result] of again.entries()) results[left[at]?.index ?? 0] = result;
  return results;
}

function wasNotSent({ code, outcome }: BusbarError): boolean {
  return code === 'UNAVAILABLE' && outcome === 'failed';
}

interface Configuration {
  readonly queue: string;
  readonly settings: QueueSettings;
  readonly context: CallContext;
}

/** A queue that both sides can have has the same settings on both. One that goes on does so with its urgent messages first. */
async function configure(sides: Sides, isShared: boolean, { queue, settings, context }: Configuration): Promise<void> {
  const { durable } = sides;
  const onDurable = (): Promise<void> => durable.transport.queues.configure(queue, settings, boundsOf(context));
  if (!isShared) return own(onDurable());
  const about = `queue ${queue} ${Object.keys(settings).sort()}`;
  const onFast = (): Promise<void> =>
    sides.declare(about, context, ({ queues }, bounds) => queues.configure(queue, settings, bounds));
  const steps = settings.paused === false ? [onFast, onDurable] : [onDurable, onFast];
  for (const step of steps) await own(step());
}

/** Settles each receipt on its side. One without a side is foreign, so its lease is lost. */
async function settle(sides: Sides, settlements: readonly Settlement[], context: CallContext): Promise<SettleResult[]> {
  const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
  const shares = new Map<SideName, { readonly index: number; readonly settlement: Settlement }[]>();
  for (const [index, settlement] of settlements.entries()) {
    const found = untag(settlement.receipt);
    if (found === undefined) continue;
    const share = shares.get(found.side) ?? [];
    share.push({ index, settlement: { ...settlement, receipt: found.inner } });
    shares.set(found.side, share);
  }
  const settleShare = async ([name, share]: [SideName, typeof shares extends Map<SideName, infer S> ? S : never]) => {
    try {
      const inner = share.map(({ settlement }) => settlement);
      const settled = await own(
        name === 'fast'
          ? settleFast(sides, inner, { timeoutMs: timeoutOf(context) })
          : sides.durable.transport.queues.settle(inner, { timeoutMs: timeoutOf(context) }),
      );
      for (const [at, result] of settled.entries()) {
        const index = share[at]?.index ?? 0;
        results[index] = { ...result, receipt: settlements[index]?.receipt ?? '' };
      }
    } catch (error) {
      if (shares.size === 1) throw error;
      for (const { index } of share) results[index] = { receipt: settlements[index]?.receipt ?? '', status: 'unknown' };
    }
  };
  await Promise.all([...shares].map(settleShare));
  return results;
}
