/** `busbar check`: one line and an exit code, as Nagios and its successors read them. */

import { isBusbarError, type QueueInfo, type Transport, type TransportPart } from '@busbar/api/transport';
import { maskBusUrl, maskUrl } from '../../bus-url.ts';
import { isMissing } from '../../schemes.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { findQueues } from '../mail/mailbox.ts';
import { printableLine } from '../output/printable.ts';
import { kindOf, shortName } from '../output/queue-name.ts';
import { count } from '../output/table.ts';
import { type Session, within } from '../session.ts';

/** The exit codes of monitoring plugins, which differ from those of the other verbs. */
const CODES = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;
const LEVELS = ['ok', 'unknown', 'warning', 'critical'] as const;
/** Errors of a bus that does not work. Others say that it could not be checked. */
const CRITICAL = ['UNAVAILABLE', 'TIMEOUT', 'CLOSED', 'BACKPRESSURE', 'DATA_LOSS'];
/** A check that hangs says nothing. */
const TIMEOUT_MS = 10_000;
const MAX_COUNT = 1_000_000_000;

const FLAGS = {
  'max-oldest': { kind: 'duration', help: 'critical: a ready message has waited longer' },
  'max-dead': { kind: 'integer', min: 0, max: MAX_COUNT, help: 'critical: a queue has more dead letters' },
  'max-ready': { kind: 'integer', min: 0, max: MAX_COUNT, help: 'critical: a queue has more ready messages' },
  'warn-oldest': { kind: 'duration', help: 'warning instead' },
  'warn-dead': { kind: 'integer', min: 0, max: MAX_COUNT, help: 'warning instead' },
  'warn-ready': { kind: 'integer', min: 0, max: MAX_COUNT, help: 'warning instead' },
} as const;

type Level = (typeof LEVELS)[number];
type Run = Invocation<typeof FLAGS>;

/** What is measured of each queue. */
interface Measure {
  readonly name: 'oldest' | 'dead' | 'ready';
  readonly read: (queue: QueueInfo) => number;
  readonly show: (value: number) => string;
}

/** Why the result is not `ok`. */
interface Problem {
  readonly level: Exclude<Level, 'ok'>;
  readonly text: string;
  readonly queue?: string;
}

interface Result {
  readonly problems: readonly Problem[];
  readonly queues: readonly QueueInfo[];
  readonly parts: readonly TransportPart[];
}

const MEASURES: readonly Measure[] = [
  {
    name: 'oldest',
    read: ({ ready, oldestAgeMs }) => (ready === 0 ? 0 : oldestAgeMs),
    show: (ms) => `a message has waited for ${formatDuration(ms)}`,
  },
  { name: 'dead', read: ({ dead }) => dead, show: (dead) => count(dead, 'dead letter') },
  { name: 'ready', read: ({ ready }) => ready, show: (ready) => count(ready, 'ready message') },
];

export const check: Command = defineCommand({
  args: ['QUEUE...'],
  flags: FLAGS,
  examples: [
    ['busbar check --max-oldest 5m --max-dead 0', 'all inboxes, subscriptions and work queues'],
    ['busbar check @reviewer build --warn-ready 100 --max-ready 1000', 'two of them'],
  ],
  usageCode: CODES.unknown,
  notes: [
    'Exit 0: OK. 1, warning: a limit of --warn-… is exceeded, or a part of the bus is away. 2, critical: a limit of --max-… is exceeded, or the bus does not work. 3, unknown: it could not be checked.',
    'The first line ends with performance data. Without --timeout it ends after 10 seconds.',
  ],
  run: async (run) => {
    const result = await examine(run);
    const level = LEVELS[Math.max(0, ...result.problems.map((problem) => LEVELS.indexOf(problem.level)))] ?? 'unknown';
    const { out } = run.session;
    if (out.json) await out.jsonLines([{ status: level, ...toJson(result) }]);
    else await out.lines(toText(level, result, run));
    return CODES[level];
  },
});

async function examine({ args, flags, session }: Run): Promise<Result> {
  try {
    const { url } = session.locate();
    if (await isMissing(url)) return failed('unknown', `there is no bus yet: ${maskBusUrl(url)}`);
    const call = { ...session.call, timeoutMs: session.timeoutMs ?? TIMEOUT_MS };
    const transport = await within(session.transport(), call);
    const queues = await within(queuesOf(transport, args, session), call);
    const problems = [...stateOf(transport), ...queues.flatMap((queue) => problemsOf(queue, flags))];
    return { problems, queues, parts: transport.parts ?? [] };
  } catch (error) {
    if (!isBusbarError(error) || session.signal.aborted) throw error;
    return failed(CRITICAL.includes(error.code) ? 'critical' : 'unknown', `${error.message} (${error.code})`);
  }
}

function failed(level: Problem['level'], text: string): Result {
  return { problems: [{ level, text: maskUrl(text) }], queues: [], parts: [] };
}

/** The named queues, or all that people use. */
async function queuesOf({ admin }: Transport, args: readonly string[], session: Session): Promise<QueueInfo[]> {
  if (args.length > 0) {
    const names = await Promise.all(args.map((name) => findQueues(name, session)));
    return admin.queues({ names: [...new Set(names.flat())] });
  }
  const found: QueueInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await admin.queues({ after });
    found.push(...page.filter(({ name }) => kindOf(name) !== 'internal'));
    after = page.at(-1)?.name;
    if (after === undefined) return found;
  }
}

function stateOf({ state, parts = [] }: Transport): Problem[] {
  if (state === 'open') return [];
  if (state !== 'degraded') return [{ level: 'critical', text: `the bus is ${state}` }];
  const away = parts.filter((part) => part.state !== 'open');
  return away.map(({ role, name }) => ({
    level: 'warning',
    text: `the ${role} part, ${name}, is away; the other part takes its traffic`,
  }));
}

function problemsOf(queue: QueueInfo, flags: Run['flags']): Problem[] {
  return MEASURES.flatMap(({ name, read, show }): Problem[] => {
    const value = read(queue);
    const { [`max-${name}` as const]: max = Number.POSITIVE_INFINITY } = flags;
    const { [`warn-${name}` as const]: limit = Number.POSITIVE_INFINITY } = flags;
    if (value <= Math.min(max, limit)) return [];
    const level = value > max ? 'critical' : 'warning';
    return [{ level, queue: queue.name, text: `${shortName(queue.name)}: ${show(value)}` }];
  });
}

function totalOf({ name, read }: Measure, queues: readonly QueueInfo[]): number {
  const values = queues.map(read);
  return name === 'oldest' ? Math.max(0, ...values) : values.reduce((sum, value) => sum + value, 0);
}

function toJson({ problems, queues, parts }: Result): object {
  const [oldestMs, dead, ready] = MEASURES.map((measure) => totalOf(measure, queues));
  return { problems, queues: queues.length, oldestMs, dead, ready, parts };
}

/** The worst problem comes first. Lines below have the others, and what each part carries. */
function toText(level: Level, { problems, queues, parts }: Result, { flags }: Run): string[] {
  const sorted = problems.toSorted((one, other) => LEVELS.indexOf(other.level) - LEVELS.indexOf(one.level));
  const [first, ...others] = sorted.map(({ text }) => printableLine(text).replaceAll('|', '/'));
  const more = others.length === 0 ? '' : ` and ${count(others.length, 'other problem')}`;
  const head = `BUSBAR ${level.toUpperCase()} - ${first ?? `${count(queues.length, 'queue')}, nothing exceeds its limit`}${more}`;
  const data = MEASURES.map((measure) => performanceOf(measure, queues, flags)).join(' ');
  const carried = parts.map(({ role, name, state, carries }) => `${role}: ${name}, ${state}, carries ${carries}`);
  return [queues.length === 0 ? head : `${head} | ${data}`, ...others, ...carried.map((line) => printableLine(line))];
}

/** `label=value[unit];warning;critical;least`. */
function performanceOf(measure: Measure, queues: readonly QueueInfo[], flags: Run['flags']): string {
  const { name } = measure;
  const inUnit = (value: number | undefined): string =>
    value === undefined ? '' : String(name === 'oldest' ? value / 1_000 : value);
  const limits = [flags[`warn-${name}`], flags[`max-${name}`]].map(inUnit);
  const value = inUnit(Math.round(totalOf(measure, queues)));
  return `${name}=${value}${name === 'oldest' ? 's' : ''};${limits.join(';')};0`;
}
