/** `busbar recv`: receives messages of an inbox under a lease. */

import type { Delivery, Transport } from '@busbar/api/transport';
import { maskBusUrl } from '../../bus-url.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { LEASE_FLAG, withLeases } from '../mail/leases.ts';
import { inboxOf, requireMailbox } from '../mail/mailbox.ts';
import { announce, whileOnline } from '../mail/presence.ts';
import { CONFLICT, DONE, TIMED_OUT } from '../output/exit-codes.ts';
import { FIELD_FLAGS, fieldPrinter } from '../output/fields.ts';
import { decodeBody, detailsOf, timeOf, valueText } from '../output/message-view.ts';
import { printableBlock, printableLine, quoteForShell } from '../output/printable.ts';
import type { Session } from '../session.ts';

const FLAGS = {
  wait: { kind: 'wait', help: 'wait for a message, without limit or for TIME (default: do not wait)' },
  max: { kind: 'integer', min: 1, max: 1000, help: 'up to this many messages (default 1)' },
  lease: LEASE_FLAG,
  ack: { kind: 'choice', choices: ['auto', 'manual'], help: 'auto acks what was printed (default manual)' },
  ...FIELD_FLAGS,
} as const;

type RecvFlags = Invocation<typeof FLAGS>['flags'];

export const recv: Command = defineCommand({
  args: ['NAME?'],
  flags: FLAGS,
  examples: [
    ['busbar recv @reviewer', 'the next message; exit 4 if the inbox is empty'],
    ['BUSBAR_AGENT=@reviewer busbar recv --wait --json', 'wait; one JSON object per line'],
    ['busbar recv @reviewer --lease 30m', 'holds this message for longer than the others of the inbox'],
    ["busbar recv --format '{{receipt}} {{body.file}}'", 'two fields; --json has their names'],
    ['while r=$(busbar recv --wait --field receipt); do …; done', 'a loop; busbar work needs none'],
  ],
  notes: [
    'The lease of a message outlives this command. Before it ends, use the receipt to ack, retry, reject, release or extend; otherwise the message is delivered again with a higher attempt. Ctrl-C while waiting receives nothing, and neither does a command whose parent process has ended.',
    '--lease is for these messages only. busbar register NAME --lease 30m sets the leases of an inbox, and busbar extend renews one.',
    'A field is unchanged alone; with other fields it is in one line, with tabs between the fields.',
    'JSON: { id, from, type, body, attempt, receipt, wantsReply, leaseLeftMs, to, sentAt, priority, … }. A binary body is { "$base64" }.',
  ],
  run: async ({ args, flags, session }) => {
    const agent = session.inboxOwner(args[0]);
    const printer = fieldPrinter(flags);
    if (flags.wait !== undefined) session.endWithReader();
    await requireMailbox(agent, session);
    const transport = await session.transport();
    const deliveries = await withLeases(await receive(transport, agent, flags, session), flags.lease, session);
    const [first] = deliveries;
    if (first === undefined) {
      if (flags.wait !== undefined) await announce(transport, agent);
      session.out.note('busbar: nothing to receive');
      return TIMED_OUT;
    }
    // Without output the receipts are lost: the session then releases the messages when it ends.
    if (printer === undefined) await print(deliveries, flags, session);
    else await session.out.lines(deliveries.map((delivery) => printer(toJson(delivery), session.out)));
    if (flags.ack === 'auto') return ackAll(transport, deliveries, session);
    session.keepLeases();
    await announce(transport, agent, { isBusy: true, ttlMs: first.leaseLeftMs });
    return DONE;
  },
});

/** Receives messages; the agent is online while it waits. */
async function receive(
  transport: Transport,
  agent: string,
  flags: RecvFlags,
  { signal }: Session,
): Promise<Delivery[]> {
  const { max = 1, wait: waitMs = 0 } = flags;
  const consumer = `${agent}/cli-${process.pid}`.slice(-255);
  const take = (): Promise<Delivery[]> => transport.queues.receive(inboxOf(agent), { max, waitMs, consumer, signal });
  return waitMs === 0 ? take() : whileOnline(transport, agent, take);
}

async function print(deliveries: readonly Delivery[], flags: RecvFlags, { out }: Session): Promise<void> {
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
    ttlLeftMs: ttlLeftMs === undefined ? undefined : Math.round(ttlLeftMs),
    ...detailsOf(delivery),
  };
}

function toBlock(delivery: Delivery, flags: RecvFlags, out: Session['out']): string[] {
  const { from = 'unknown sender', type = 'message', attempt, sentAt } = delivery;
  const again = attempt === 1 ? '' : `, attempt ${attempt}`;
  const lines = [`${out.paint('bold', printableLine(type))} from ${printableLine(from)}, ${timeOf(sentAt)}${again}`];
  if (delivery.body.byteLength > 0) lines.push(printableBlock(valueText(decodeBody(delivery))));
  return [...lines, ...nextSteps(delivery, flags).map((line) => out.paint('dim', line))];
}

/** Command lines to copy. */
function nextSteps({ id, to, receipt, replyTo, leaseLeftMs }: Delivery, { url, ack }: RecvFlags): string[] {
  const sameBus = url === undefined ? '' : ` --url ${quoteForShell(maskBusUrl(url))}`;
  const name = to === undefined ? '' : ` --as ${quoteForShell(to)}`;
  const answer = `answer: busbar reply ${quoteForShell(id)} BODY${name}${sameBus}`;
  const done = `done:   busbar ack ${quoteForShell(receipt)}${sameBus}   (within ${formatDuration(leaseLeftMs)})`;
  return [...(replyTo === undefined ? [] : [answer]), ...(ack === 'auto' ? [] : [done])];
}

async function ackAll({ queues }: Transport, deliveries: readonly Delivery[], { out }: Session): Promise<number> {
  const results = await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' as const })));
  const lost = results.filter(({ status }) => status !== 'done').length;
  if (lost === 0) return DONE;
  out.warn(`lease lost: ${lost} of ${results.length} were acked too late and are delivered again`);
  return CONFLICT;
}
