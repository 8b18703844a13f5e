/** The queues of a hub's store, asked for over the line. */

import type { PreparedMessage, QueueDriver, ReceiveRequest } from '@busbar/api/driver';
import {
  type Delivery,
  isBusbarError,
  type SendResult,
  type Settlement,
  type SettleResult,
} from '@busbar/api/transport';
import { readError } from '../wire/error-codec.ts';
import type { Frame, Head } from '../wire/frame.ts';
import { readMessage, toInputHead } from '../wire/message-codec.ts';
import { sizeOfMessage } from '../wire/message-size.ts';
import { batches, sizeOfText } from './batches.ts';
import { Joiner } from './call-coalescer.ts';
import type { HubLine } from './hub-client.ts';

/** How long a wait that was cancelled waits for the hub to say what it had brought by then. */
const CANCEL_MS = 1_000;

/** The queues of a hub's store. */
export function remoteQueues(line: HubLine, agent: string | undefined): QueueDriver {
  const sends = new Joiner<PreparedMessage, SendResult>(line, sizeOfMessage);
  const settlements = new Joiner<Settlement, SettleResult>(line, sizeOfSettlement);
  return {
    send: (queue, messages, create, { deadline }) =>
      sends.ask(joinKey(`${queue} ${create}`, messages, agent), messages, deadline, (all, last) =>
        sendAll(line, all, last, (heads) => ({
          op: 'queues.send',
          head: create ? { queue, messages: heads } : { queue, create, messages: heads },
        })),
      ),
    receive: (queue, wanted, { signal }) => receive(line, queue, wanted, signal),
    settle: (all, { deadline }) => settlements.ask('', all, deadline, (joined, last) => settle(line, joined, last)),
    async configure(queue, settings, { deadline }) {
      await line.request({ op: 'queues.configure', head: { queue, settings }, deadline, whenLost: 'repeat' });
    },
  };
}

async function receive(
  line: HubLine,
  queue: string,
  { max, waitMs, consumer }: ReceiveRequest,
  signal: AbortSignal,
): Promise<Delivery[]> {
  const wait = waitMs === Number.POSITIVE_INFINITY ? null : waitMs;
  const { id, answer } = line.track({
    op: 'queues.receive',
    head: { queue, max, waitMs: wait, consumer },
    deadline: Number.POSITIVE_INFINITY,
    whenLost: 'repeat',
    isWait: true,
  });
  const deliveries = answer.then((frame) => readDeliveries(frame, queue));
  const givenUp = Promise.withResolvers<Delivery[]>();
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    line.cancel(id);
    timer = setTimeout(() => {
      givenUp.resolve([]);
      deliveries.then((late) => release(line, late)).catch(() => undefined);
    }, CANCEL_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([deliveries, givenUp.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function release(line: HubLine, deliveries: readonly Delivery[]): Promise<unknown> {
  const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'release' as const }));
  return deliveries.length === 0 ? Promise.resolve() : settle(line, settlements, Number.POSITIVE_INFINITY);
}

/** Sends in frames of a bounded size; the ids make sure that a repetition stores nothing twice. */
export async function sendAll<T extends SendResult>(
  line: HubLine,
  messages: readonly PreparedMessage[],
  deadline: number,
  plan: (heads: Head[]) => { op: string; head: Head },
  whenLost: 'repeat' | 'unknown' = 'repeat',
): Promise<T[]> {
  const parts = batches(messages, sizeOfMessage);
  const results = await Promise.all(
    parts.map(async (part) => {
      const bodies = part.map(({ body }) => body);
      const { answer, pending } = line.track({ ...plan(part.map(toInputHead)), bodies, deadline, whenLost });
      return readResults<T>(await answer, pending.isRepeated);
    }),
  );
  return results.length === 1 && results[0] !== undefined ? results[0] : results.flat();
}

/** A message from another agent is refused with all that its request holds: it goes alone (rule RD2). */
export function joinKey(place: string, messages: readonly PreparedMessage[], agent: string | undefined): string {
  const isForeign = agent !== undefined && messages.some(({ from }) => from !== undefined && from !== agent);
  return isForeign ? `${place} ${messages[0]?.id}` : place;
}

/** After a repetition `duplicate` means that it was stored by the first try, as far as can be known. */
function readResults<T extends SendResult>({ head }: Frame, isRepeated: boolean): T[] {
  const results = head['results'] as (Omit<SendResult, 'error'> & { readonly error?: Head })[];
  return results.map((result) => {
    const status = isRepeated && result.status === 'duplicate' ? 'stored' : result.status;
    const { error } = result;
    return (error === undefined ? { ...result, status } : { ...result, status, error: readError(error) }) as T;
  });
}

function readDeliveries({ head, bodies }: Frame, queue: string): Delivery[] {
  const deliveries = head['deliveries'] as readonly Head[];
  return deliveries.map((each, index) => {
    const { receipt, attempt, leaseLeftMs, ttlLeftMs } = each as unknown as Delivery;
    return { ...readMessage(each, bodies[index]), queue, receipt, attempt, leaseLeftMs, ttlLeftMs };
  });
}

async function settle(line: HubLine, all: readonly Settlement[], deadline: number): Promise<SettleResult[]> {
  const results = await Promise.all(batches(all, sizeOfSettlement).map((part) => settlePart(line, part, deadline)));
  return results.flat();
}

/** A settlement is never repeated: its receipt might be another's by then (rule RQ3). */
async function settlePart(line: HubLine, part: readonly Settlement[], deadline: number): Promise<SettleResult[]> {
  const plan = { op: 'queues.settle', head: { settlements: part }, deadline, whenLost: 'unknown' } as const;
  try {
    const { head } = await line.request(plan);
    return head['results'] as SettleResult[];
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'UNAVAILABLE' || error.outcome !== 'unknown') throw error;
    return part.map(({ receipt }) => ({ receipt, status: 'unknown' }));
  }
}

function sizeOfSettlement(settlement: Settlement): number {
  return settlement.receipt.length + ('reason' in settlement ? sizeOfText(settlement.reason) : 0);
}
