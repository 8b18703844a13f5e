// `npm run moves`: moves a full bus from SQLite to a server and back while eight agents work, with kills in every step.
import { parseArgs } from 'node:util';
import { missingServer, startNats, startRedis, tempDir, waitFor } from '@busbar/testbed';
import { type Bus, connect } from '../../src/index.ts';
import { Crew } from './crew.ts';
import type { Fact } from './facts.ts';
import { judge } from './judge.ts';
import { fill, type Load, loadOf, missingOf } from './load.ts';
import { type Move, move } from './mover.ts';

const USAGE = `npm run moves -- [options]

  --via BACKEND   moves from SQLite to it and back: redis, nats or sqlite (redis)
  --messages N    pending messages; events, delayed messages, dead letters and keys are parts of it (100000)
  --agents N      agents at work (8)
  --json          the report as one object
`;
const FOLLOWED_MS = 60_000;
const MAX = { moveMs: 300_000, pauseMs: 15_000, bytes: 250 * 1024 * 1024 };

const { values } = parseArgs({
  options: {
    via: { type: 'string', default: 'redis' },
    messages: { type: 'string', default: '100000' },
    agents: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(USAGE);
else process.exitCode = await main(values.via, Number(values.messages), Number(values.agents));

async function main(via: string, messages: number, agents: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(tempDir('busbar-moves'));
  const one = `sqlite:${dir.join('one.db')}`;
  const two = await startTarget(via, dir.join('two.db'), stack);
  if (two === undefined) return 0;
  const load = loadOf(messages);
  const url = `migrate:?from=${encodeURIComponent(one)}&to=${encodeURIComponent(two)}`;
  const bus = stack.use(await connect(url));
  say(`filling ${one}`);
  await fill(bus, load);
  const observed: string[] = [];
  await bus.transport.topics.subscribe('live.>', {}, (events) => void observed.push(...events.map(({ id }) => id)));
  const crew = stack.use(new Crew(url));
  await Promise.all(Array.from({ length: agents }, () => crew.start()));
  let markers = 0;
  const followed = async (): Promise<void> => {
    const id = `marker-${String(++markers).padStart(6, '0')}`;
    await bus.transport.topics.publish('live.marker', [{ id, body: Buffer.alloc(0) }], { timeoutMs: FOLLOWED_MS });
    await waitFor(() => observed.includes(id), { what: 'the observer to follow', timeoutMs: FOLLOWED_MS });
  };
  const moves = [await move(one, two, crew, followed), await move(two, one, crew, followed)];
  await crew.end();
  return await conclude({ bus, load, moves, facts: crew.facts, observed });
}

async function startTarget(via: string, file: string, stack: AsyncDisposableStack): Promise<string | undefined> {
  if (via === 'sqlite') return `sqlite:${file}`;
  if (via !== 'redis' && via !== 'nats') throw new Error(`unknown backend ${via}\n\n${USAGE}`);
  const missing = missingServer(`${via}-server`);
  if (missing !== undefined) {
    say(`NOT TESTED: ${missing}`);
    return undefined;
  }
  return stack.use(via === 'redis' ? await startRedis() : await startNats()).url;
}

interface Outcome {
  readonly bus: Bus;
  readonly load: Load;
  readonly moves: readonly Move[];
  readonly facts: Fact[];
  readonly observed: string[];
}

async function conclude({ bus, load, moves, facts, observed }: Outcome): Promise<number> {
  await handleRest(bus, facts);
  const published = facts.filter(({ kind }) => kind === 'published').length;
  await waitFor(() => observed.length >= published, { what: 'the last events', timeoutMs: 30_000 }).catch(
    () => undefined,
  );
  const { faults, ...verdict } = judge(facts, observed);
  const all = [...faults, ...(await missingOf(bus, load)), ...moves.flatMap(slowness)];
  if (values.json) process.stdout.write(`${JSON.stringify({ load, moves, verdict, faults: all })}\n`);
  else {
    for (const each of moves) process.stdout.write(`${moveLine(each)}\n`);
    const counts = Object.entries(verdict).map(([name, amount]) => `${amount} ${name}`);
    process.stdout.write(`${counts.join(', ')}\n`);
  }
  for (const fault of all) say(fault);
  return all.length === 0 ? 0 : 1;
}

/** Handles what is left when the agents have ended. */
async function handleRest({ transport: { queues, admin } }: Bus, facts: Fact[]): Promise<void> {
  for (;;) {
    const deliveries = await queues.receive('work', { max: 100, waitMs: 1_000 });
    if (deliveries.length === 0) {
      const [queue] = await admin.queues({ names: ['work'] });
      if (queue === undefined || queue.ready + queue.leased + queue.delayed === 0) return;
      continue;
    }
    for (const { id, orderingKey = '' } of deliveries) {
      facts.push({ kind: 'handled', id, key: orderingKey, at: process.hrtime.bigint() });
    }
    await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
}

function slowness({ to, ms, bytes, report: { pauseMs } }: Move): string[] {
  return [
    ...(ms > MAX.moveMs ? [`the move to ${to} took ${Math.round(ms)} ms`] : []),
    ...(pauseMs > MAX.pauseMs ? [`the pause of the move to ${to} took ${Math.round(pauseMs)} ms`] : []),
    ...(bytes > MAX.bytes ? [`the mover to ${to} needed ${Math.round(bytes / 1_048_576)} MiB`] : []),
  ];
}

function moveLine({ from, to, ms, bytes, report }: Move): string {
  const kind = (url: string): string => url.slice(0, url.indexOf(':'));
  const steps = Object.entries(report.ms).map(([step, took]) => `${step} ${(took / 1_000).toFixed(1)} s`);
  const records = Object.values(report.records).reduce((sum, amount) => sum + amount, 0);
  return [
    `${kind(from)} to ${kind(to)}: ${records} records in ${(ms / 1_000).toFixed(1)} s`,
    `pause ${(report.pauseMs / 1_000).toFixed(1)} s, ${Math.round(bytes / 1_048_576)} MiB, ${report.redelivered.count} delivered again`,
    steps.join(', '),
  ].join('; ');
}

function say(text: string): void {
  process.stderr.write(`moves: ${text}\n`);
}
