/** `busbar recv`: the next message of an inbox, held until it is acked. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { maskUrl } from '../../secrets.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { inboxOf, requireMailbox } from '../mail/mailbox.ts';
import { announce, whileOnline } from '../mail/presence.ts';
import { CONFLICT, DONE, NOTHING } from '../output/exit-codes.ts';
import { decodeBody, detailsOf, timeOf, valueText } from '../output/message-view.ts';
import { printable, printableLine, quoteForShell } from '../output/printable.ts';
import type { Session } from '../session.ts';

const FLAGS = {
  wait: { kind: 'wait', help: 'wait for a message, for ever or for TIME (default: do not wait)' },
  max: { kind: 'integer', min: 1, max: 1000, help: 'up to so many, as are there (default 1)' },
  lease: { kind: 'duration', min: 50, max: 43_200_000, help: 'how long this inbox holds a message, from now on' },
  ack: { kind: 'choice', choices: ['auto', 'manual'], help: 'auto: acked once printed (default manual)' },
} as const;

type Flags = Invocation<typeof FLAGS>['flags'];

export const recv: Command = defineCommand({
  args: ['NAME?'],
  flags: FLAGS,
  examples: [
    ['busbar recv @reviewer', 'the next message, if there is one; else exit 4'],
    ['BUSBAR_AGENT=@reviewer busbar recv --wait --json', 'wait for it; one JSON object a line'],
    ['while m=$(busbar recv --wait=30s --json); do …; busbar ack "$(jq -r .receipt <<<"$m")"; done', 'a worker'],
  ],
  notes: [
    'A message is held under a lease, which outlives this command: ack, nack or extend it by its receipt before it ends, or it comes again with a higher attempt. Ctrl-C while waiting takes nothing.',
    'JSON: { id, from, type, body, attempt, receipt, wantsReply, leaseLeftMs, to, sentAt, priority, … }; a body that is no JSON and no text is { "$base64" }.',
  ],
  run: async ({ args, flags, session }) => {
    const agent = session.inboxOwner(args[0]);
    await requireMailbox(agent, session);
    const transport = await session.transport();
    if (flags.lease !== undefined) {
      await transport.queues.configure(inboxOf(agent), { leaseMs: flags.lease }, session.call);
    }
    const deliveries = await receive(transport, agent, flags, session);
    const [first] = deliveries;
    if (first === undefined) {
      session.out.note('busbar: nothing to receive');
      return NOTHING;
    }
    // Until they are printed nobody knows the receipts: what cannot be printed is given back when the session ends.
    await print(deliveries, flags, session);
    if (flags.ack === 'auto') return ackAll(transport, deliveries, session);
    session.keepLeases();
    await announce(transport, agent, true, first.leaseLeftMs);
    return DONE;
  },
});

/** Takes messages; the agent is online meanwhile. */
async function receive(transport: Transport, agent: string, flags: Flags, { signal }: Session): Promise<Delivery[]> {
  const { max = 1, wait: waitMs = 0 } = flags;
  const consumer = `${agent}/cli-${process.pid}`.slice(-255);
  const take = (): Promise<Delivery[]> => transport.queues.receive(inboxOf(agent), { max, waitMs, consumer, signal });
  return waitMs === 0 ? take() : whileOnline(transport, agent, take);
}

async function print(deliveries: readonly Delivery[], flags: Flags, { out }: Session): Promise<void> {
  if (flags.json) return out.jsonLines(deliveries.map(toJson));
  const blocks = deliveries.map((delivery) => toBlock(delivery, flags, out));
  return out.lines(blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block])));
}

function toJson(delivery: Delivery): Record<string, unknown> {
  const { id, from, type, attempt, receipt, leaseLeftMs, ttlLeftMs, replyTo } = delivery;
  return {
    id,
    from: from ?? null,
    type: type ?? null,
    body: decodeBody(delivery),
    attempt,
    receipt,
    wantsReply: replyTo !== undefined,
    leaseLeftMs: Math.round(leaseLeftMs),
    ...(ttlLeftMs === undefined ? {} : { ttlLeftMs: Math.round(ttlLeftMs) }),
    ...detailsOf(delivery),
  };
}

function toBlock(delivery: Delivery, flags: Flags, out: Session['out']): string[] {
  const { from = 'nobody', type = 'message', attempt, sentAt } = delivery;
  const again = attempt === 1 ? '' : `, attempt ${attempt}`;
  const lines = [`${out.paint('bold', printableLine(type))} from ${printableLine(from)}, ${timeOf(sentAt)}${again}`];
  if (delivery.body.byteLength > 0) lines.push(printable(valueText(decodeBody(delivery))));
  return [...lines, ...nextSteps(delivery, flags).map((line) => out.paint('dim', line))];
}

/** What to copy. */
function nextSteps({ id, to, receipt, replyTo, leaseLeftMs }: Delivery, { url, ack }: Flags): string[] {
  const sameBus = url === undefined ? '' : ` --url ${quoteForShell(maskUrl(url))}`;
  const name = to === undefined ? '' : ` --as ${quoteForShell(to)}`;
  const answer = `answer: busbar reply ${quoteForShell(id)} BODY${name}${sameBus}`;
  const done = `done:   busbar ack ${quoteForShell(receipt)}${sameBus}   (within ${formatDuration(leaseLeftMs)})`;
  return [...(replyTo === undefined ? [] : [answer]), ...(ack === 'auto' ? [] : [done])];
}

async function ackAll({ queues }: Transport, deliveries: readonly Delivery[], { out }: Session): Promise<number> {
  const results = await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' as const })));
  const lost = results.filter(({ status }) => status !== 'done').length;
  if (lost === 0) return DONE;
  out.warn(`lease lost: ${lost} of ${results.length} came too late to be acked, and will come again`);
  return CONFLICT;
}
