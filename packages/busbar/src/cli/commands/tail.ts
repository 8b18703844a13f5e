/** `busbar tail`: prints events, live or from the history. */

import type { From, Transport } from '@busbar/api/transport';
import { BusbarError, invalid, isBusbarError } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { FROM_FLAGS, readFrom } from '../input/from.ts';
import { DONE } from '../output/exit-codes.ts';
import { decodeBody, detailsOf, type MessageView, showValue, timeOf, valueText } from '../output/message-view.ts';
import type { Output } from '../output/output.ts';
import { printableBlock, printableLine } from '../output/printable.ts';
import type { Session } from '../session.ts';

const FLAGS = {
  ...FROM_FLAGS,
  count: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER, help: 'end after this many events' },
  'stop-at-end': { kind: 'switch', help: 'end after the stored events' },
  raw: { kind: 'switch', help: 'print bodies only' },
  plain: { kind: 'switch', help: 'one line per event, without colours' },
} as const;

/** Events of the history per write. */
const PAGE = 256;

type TailFlags = Invocation<typeof FLAGS>['flags'];

export const tail: Command = defineCommand({
  args: ['PATTERN?'],
  flags: FLAGS,
  examples: [
    ['busbar tail', 'all events from now on'],
    [`busbar tail 'user.*' --from start --json`, 'stored and new events, as JSON lines'],
    ['busbar tail --from 10m --stop-at-end', 'events of the last ten minutes'],
    ['busbar tail build.done --count 1 --raw', 'wait for one event'],
  ],
  notes: [
    'In PATTERN, * is one token, and > at the end is one or more. Quote it. Default: >.',
    'tail reads the log; other subscribers still get every event.',
  ],
  run: async ({ args: [pattern = '>'], flags, session }) => {
    checkFormats(flags);
    const from = readFrom(flags);
    const printing = flags['stop-at-end']
      ? printHistory(pattern, from, flags, session)
      : printNew(pattern, from, flags, session);
    await printing.catch((error: unknown) => {
      throw withFlagHint(error);
    });
    return DONE;
  },
});

async function printNew(pattern: string, from: From, flags: TailFlags, session: Session): Promise<void> {
  const { signal } = session;
  if (!session.out.isFile) session.endWithReader();
  // All events of a bus that did not exist are new.
  const isNew = await session.untilBusExists();
  if (signal.aborted) return;
  const start = isNew && from === 'new' ? 'start' : from;
  const options = { from: start, most: flags.count ?? Number.POSITIVE_INFINITY, signal };
  await follow(await session.transport(), pattern, options, (events) => print(events, flags, session.out));
}

/** The same error, with a hint that names flags instead of options. */
function withFlagHint(error: unknown): unknown {
  if (!isBusbarError(error)) return error;
  const { code, message, outcome, cause } = error;
  const isPosition = code === 'POSITION_EXPIRED' || (code === 'INVALID_ARGUMENT' && /position/.test(message));
  if (!isPosition) return error;
  const hint = 'Use a position that tail --json printed on this bus, or --from start, --from now or --from 10m.';
  return new BusbarError(code, message, { hint, outcome, cause });
}

/** Prints the stored events. */
async function printHistory(pattern: string, from: From, flags: TailFlags, session: Session): Promise<void> {
  if (from === 'new') return;
  const bus = await session.bus();
  let page: MessageView[] = [];
  for await (const event of bus.history(pattern, { ...session.call, from, limit: flags.count })) {
    page.push({ ...event, body: showValue(event.body) });
    if (page.length < PAGE) continue;
    await print(page, flags, session.out);
    page = [];
  }
  await print(page, flags, session.out);
}

interface FollowOptions {
  readonly from: From;
  /** The number of events to print. */
  readonly most: number;
  readonly signal: AbortSignal;
}

/** Prints new events until there are enough or the command is interrupted. */
async function follow(
  transport: Transport,
  pattern: string,
  { from, most, signal }: FollowOptions,
  print: (events: readonly MessageView[]) => Promise<void>,
): Promise<void> {
  const over = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  let left = most;
  const subscription = await transport.topics.subscribe(pattern, { from, signal }, async (events) => {
    const wanted = events.slice(0, left);
    left -= wanted.length;
    if (wanted.length > 0) await print(wanted.map((event) => ({ ...event, body: decodeBody(event) })));
    if (left === 0) over.resolve();
  });
  const ended = subscription.ended.then((error) => {
    if (error !== undefined) throw causeOf(error);
  });
  // The transport closes the subscription. Waiting for it here would deadlock with the running handler.
  await Promise.race([over.promise, ended]);
}

/** The handler's own error, such as a closed pipe, instead of the subscription's. */
function causeOf(error: Error): unknown {
  return error.cause ?? error;
}

async function print(events: readonly MessageView[], flags: TailFlags, out: Output): Promise<void> {
  if (flags.json) return out.jsonLines(events.map(toJson));
  if (flags.raw) return out.lines(events.map((event) => rawBody(event, out)));
  return out.lines(events.map((event) => toLine(event, flags.plain ? undefined : out)));
}

/** Unchanged for a pipe or a file; a terminal must not obey it. */
function rawBody({ body }: MessageView, out: Output): string {
  return out.isTerminal ? printableBlock(valueText(body)) : valueText(body);
}

function toJson(event: MessageView): Record<string, unknown> {
  const { id, topic, from, type, position } = event;
  return { id, topic, from, type, body: event.body, position, ...detailsOf(event) };
}

function toLine(event: MessageView, out: Output | undefined): string {
  const { sentAt, from } = event;
  const topic = printableLine(event.topic ?? '');
  const body = printableLine(valueText(event.body));
  const sender = from === undefined ? '' : ` ${printableLine(from)}`;
  if (out === undefined) return `${timeOf(sentAt)} ${topic}${sender} ${body}`;
  return `${out.paint('dim', timeOf(sentAt))} ${out.paint('cyan', topic)}${out.paint('dim', sender)} ${body}`;
}

function checkFormats({ json, raw, plain }: TailFlags): void {
  if ([json, raw, plain].filter(Boolean).length > 1) {
    throw invalid('--json, --raw and --plain exclude each other', 'Use one of them.');
  }
}
