// One of two processes that share a store. It uses only what the previous commit has, too.
import { onParentMessage, sendToParent, waitFor } from '@busbar/testbed';
import { type ChildResult, connect } from 'busbar';

const [url = '', name = '', other = '', count = '0'] = process.argv.slice(2);
const all = Array.from({ length: Number(count) }, (_, index) => index);
const bus = await connect(url, { waitForServerMs: 30_000, onError: ({ place, error }) => console.error(place, error) });

const bounds = { timeoutMs: 60_000 };
const HOUR_MS = 3_600_000;
/** How many tasks both processes may start. */
const LIMIT = 3;

/** Bodies, each once, and a promise of so many of them. */
function collect(size = all.length): { add(value: number): void; readonly whole: Promise<number[]> } {
  const got = new Set<number>();
  const { promise: whole, resolve } = Promise.withResolvers<number[]>();
  const add = (value: number): void => {
    got.add(value);
    if (got.size === size) resolve([...got].sort((one, two) => one - two));
  };
  return { add, whole };
}

const [mail, events, tasks, ticks] = [collect(), collect(), collect(), collect(3)];
const agent = await bus.agent(`@${name}`);
agent.handle<number>('note', ({ body }) => mail.add(body));
agent.handle<number>('ask', ({ body }) => body);
await bus.process<number, number>(`tasks-${name}`, ({ body }) => {
  tasks.add(body);
  return body;
});
await bus.subscribe<number>(`news.${other}`, ({ body }) => events.add(body), { durableName: `news-${name}` });

await bus.process(`ticks-${name}`, ({ headers }) => ticks.add(Date.parse(headers['schedule-time'] ?? '')));
await bus.process<number, number>(`parts-${name}`, ({ body }) => body * 2);
await bus.process(`wholes-${name}`, async (_, context) => (await context.children<number>()).map(resultOf));
await bus.process(`hanging-${name}`, (_, { signal }) => new Promise((resolve) => (signal.onabort = resolve)));
let limited = 0;
const countOne = (): void => {
  limited += 1;
};
await bus.process('limited', countOne, { rateLimit: { max: LIMIT, perMs: HOUR_MS }, concurrency: 2 });
bus.schedules.start({ leaseMs: 1_000 });

function resultOf(child: ChildResult<number>): number {
  return child.state === 'done' ? child.result : Number.NaN;
}

/** A schedule, a flow and a cancelled task, which need the records of both processes. */
async function exchangeRecords(): Promise<object> {
  await bus.schedules.put(`tick-${name}`, { everyMs: 200, queue: `ticks-${other}` });
  const children = [name, other, name].map((owner, index) => ({ queue: `parts-${owner}`, body: index }));
  const flow = await bus.flow({ queue: `wholes-${other}`, children });
  const hanging = await bus.enqueue(`hanging-${other}`);
  await waitFor(async () => (await hanging.status()) === 'running', { what: 'a running task', ...bounds });
  const isCancelled = await hanging.cancel({ running: true, ...bounds });
  const cancelled = [isCancelled, await hanging.status()];
  return { flow: await flow.result(bounds), cancelled, ticks: (await ticks.whole).length };
}

/** Tasks with keys that both processes use, and tasks under their common rate limit. */
async function enqueueShared(): Promise<void> {
  for (const index of all) await bus.enqueue('replaced', index, { replaceKey: 'one', delayMs: HOUR_MS });
  await bus.enqueue('unique', name, { dedupeKey: 'one', dedupeUntilDone: true });
  await bus.enqueueAll('limited', all);
}

/** What both processes have made together. */
async function look(): Promise<void> {
  const countsOf = async (queue: string) =>
    (await bus.queue(queue).info()) ?? { delayed: 0, ready: 0, totals: { done: 0 } };
  await waitFor(async () => (await countsOf('limited')).totals.done >= LIMIT, {
    what: 'tasks under the limit',
    ...bounds,
  });
  const [replaced, unique] = [await countsOf('replaced'), await countsOf('unique')];
  await sendToParent({ replaced: replaced.delayed, unique: unique.ready, limited });
}

async function exchange(): Promise<void> {
  const records = exchangeRecords();
  await enqueueShared();
  const handles = await bus.enqueueAll<number, number>(`tasks-${other}`, all);
  for (const index of all) {
    await agent.send(`@${other}`, 'note', index);
    await bus.publish(`news.${name}`, index);
  }
  const responses = await Promise.all(all.map((index) => agent.request<number>(`@${other}`, 'ask', index, bounds)));
  const results = await Promise.all(handles.map((handle) => handle.result(bounds)));
  const tokens: number[] = [];
  for (const _ of all) tokens.push(await bus.lock('shared', async (lock) => lock.token));
  const isRising = tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0));
  const received = { mail: await mail.whole, events: await events.whole, tasks: await tasks.whole };
  await sendToParent({ ...received, ...(await records), responses, results, tokens: isRising });
}

onParentMessage<string>((message) => {
  if (message === 'go') void exchange();
  else if (message === 'look') void look();
  else void bus.close().then(() => process.exit(0));
});
await sendToParent({ library: import.meta.resolve('busbar') });
