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
import { boundsOf, own, ownError, ownResults } from '../../inner/calls.ts';
import type { HybridRoute, Routes, SideName } from '../routes.ts';
import { type HybridSide, innerOf, sideOf, tagAll } from '../side.ts';
import type { Sides } from '../sides.ts';
import { settleFast } from './settle-fast.ts';
import type { SharedReceives } from './shared-receives.ts';

export function openQueues(sides: Sides, routes: Routes, receives: SharedReceives): QueueDriver {
  return {
    send(queue, messages, create, context) {
      const sending = { queue, create, route: routes.of(queue), context };
      const routeOf = (message: PreparedMessage): SideName => routes.ofMessage(queue, message);
      return sendBySide(sides, messages, routeOf, (side, some) => sendTo(sides, side, some, sending));
    },
    settle: (settlements, context) => settle(sides, settlements, context),
    configure: (queue, settings, context) => configure(sides, routes.isShared(queue), { queue, settings, context }),
    async receive(queue, request, context) {
      if (routes.isShared(queue)) return receives.receive(queue, request, context);
      return tagAll('durable', await own(sides.durable.queues.receive(queue, request, context)));
    },
  };
}

/** Sends each message to its side. If one side refuses its share, only the results of that share say so. */
export function sendBySide<R extends SendResult>(
  sides: Sides,
  messages: readonly PreparedMessage[],
  routeOf: (message: PreparedMessage) => SideName,
  send: (side: HybridSide, messages: readonly PreparedMessage[]) => Promise<R[]>,
): Promise<R[]> {
  const [message] = messages;
  const first = message === undefined ? 'durable' : routeOf(message);
  return messages.length < 2 || messages.every((each) => routeOf(each) === first)
    ? own(send(sides.of(first), messages))
    : sendToBoth(sides, messages, messages.map(routeOf), send);
}

async function sendToBoth<R extends SendResult>(
  sides: Sides,
  messages: readonly PreparedMessage[],
  routed: readonly SideName[],
  send: (side: HybridSide, messages: readonly PreparedMessage[]) => Promise<R[]>,
): Promise<R[]> {
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

/** How {@link sendTo} sends. */
interface Sending {
  readonly queue: string;
  readonly create: boolean;
  readonly route: HybridRoute;
  readonly context: CallContext;
}

function sendTo(
  sides: Sides,
  side: HybridSide,
  messages: readonly PreparedMessage[],
  sending: Sending,
): Promise<SendResult[]> {
  if (side === sides.durable) return sendIn(sides, side, messages, sending);
  return withFallback(sides, messages, (use, some) => sendIn(sides, use, some, sending));
}

function sendIn(
  sides: Sides,
  side: HybridSide,
  messages: readonly PreparedMessage[],
  sending: Sending,
): Promise<SendResult[]> {
  const isKnown = sending.create || !sending.route.isShared;
  return isKnown ? store(sides, side, messages, sending) : sendToExisting(sides, side, messages, sending);
}

async function store(
  sides: Sides,
  side: HybridSide,
  messages: readonly PreparedMessage[],
  { queue, create, context }: Sending,
): Promise<SendResult[]> {
  return ownResults(sides.counted(side, await side.queues.send(queue, messages, create, context)));
}

/** A queue that exists on the other side only exists. One of requests is used where it is. */
async function sendToExisting(
  sides: Sides,
  side: HybridSide,
  messages: readonly PreparedMessage[],
  sending: Sending,
): Promise<SendResult[]> {
  const { queue, route, context } = sending;
  try {
    return await store(sides, side, messages, sending);
  } catch (error) {
    const isMissing = isBusbarError(error) && error.code === 'NOT_FOUND';
    const other = sides.other(side);
    if (!isMissing || !sides.isUp(other)) throw error;
    const [known] = await other.transport.admin.queues({ names: [queue], ...boundsOf(context) });
    if (known === undefined) throw error;
    if (route.isOfRequests) return sendIn(sides, other, messages, sending);
    await side.transport.queues.configure(queue, known.settings, boundsOf(context));
    return store(sides, side, messages, sending);
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
  const isOrdered = messages.some(({ orderingKey }) => orderingKey !== undefined);
  if (!sides.isFastUp && !isOrdered) return send(sides.durable, messages);
  let results: R[];
  try {
    results = await send(sides.fast, messages);
  } catch (error) {
    if (!wasNotSent(toBusbarError(error)) || isOrdered) throw error;
    return send(sides.durable, messages);
  }
  if (results.every(({ error }) => error === undefined)) return results;
  const left = messages.flatMap((message, index) => {
    const error = results[index]?.error;
    const mayFall = error !== undefined && wasNotSent(error) && message.orderingKey === undefined;
    return mayFall ? [{ message, index }] : [];
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
  const first = settlements[0] && sideOf(settlements[0].receipt);
  if (first !== undefined && settlements.every(({ receipt }) => sideOf(receipt) === first)) {
    return own(settleOn(sides, first, settlements, context));
  }
  const routed = settlements.map(({ receipt }) => sideOf(receipt));
  const results: SettleResult[] = settlements.map(({ receipt }) => ({ receipt, status: 'lease-lost' }));
  const settleShare = async (name: SideName): Promise<void> => {
    const places = [...routed.keys()].filter((index) => routed[index] === name);
    const share = places.flatMap((index) => settlements[index] ?? []);
    if (share.length === 0) return;
    try {
      const settled = await settleOn(sides, name, share, context);
      for (const [at, result] of settled.entries()) results[places[at] ?? 0] = result;
    } catch (error) {
      if (share.length === settlements.length) throw ownError(error);
      for (const index of places) results[index] = { receipt: settlements[index]?.receipt ?? '', status: 'unknown' };
    }
  };
  await Promise.all([settleShare('durable'), settleShare('fast')]);
  return results;
}

/** Settles on one side. */
async function settleOn(
  sides: Sides,
  name: SideName,
  settlements: readonly Settlement[],
  context: CallContext,
): Promise<SettleResult[]> {
  const inner = settlements.map((settlement) => ({ ...settlement, receipt: innerOf(settlement.receipt) }));
  const settled = name === 'fast' ? settleFast(sides, inner, context) : sides.durable.queues.settle(inner, context);
  return tagAll(name, await settled);
}
