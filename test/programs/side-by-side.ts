// One of two processes that share a store. It uses only what the previous commit has, too.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { connect } from 'busbar';

const [url = '', name = '', other = '', count = '0'] = process.argv.slice(2);
const all = Array.from({ length: Number(count) }, (_, index) => index);
const bus = await connect(url, { waitForServerMs: 30_000, onError: ({ place, error }) => console.error(place, error) });

/** Bodies, each once, and a promise of all of them. */
function collect(): { add(value: number): void; readonly whole: Promise<number[]> } {
  const got = new Set<number>();
  const { promise: whole, resolve } = Promise.withResolvers<number[]>();
  const add = (value: number): void => {
    got.add(value);
    if (got.size === all.length) resolve([...got].sort((one, two) => one - two));
  };
  return { add, whole };
}

const [mail, events, tasks] = [collect(), collect(), collect()];
const agent = await bus.agent(`@${name}`);
agent.handle<number>('note', ({ body }) => mail.add(body));
agent.handle<number>('ask', ({ body }) => body);
await bus.process<number, number>(`tasks-${name}`, ({ body }) => {
  tasks.add(body);
  return body;
});
await bus.subscribe<number>(`news.${other}`, ({ body }) => events.add(body), { durableName: `news-${name}` });

async function exchange(): Promise<void> {
  const handles = await bus.enqueueAll<number, number>(`tasks-${other}`, all);
  for (const index of all) {
    await agent.send(`@${other}`, 'note', index);
    await bus.publish(`news.${name}`, index);
  }
  const bounds = { timeoutMs: 60_000 };
  const responses = await Promise.all(all.map((index) => agent.request<number>(`@${other}`, 'ask', index, bounds)));
  const results = await Promise.all(handles.map((handle) => handle.result(bounds)));
  const tokens: number[] = [];
  for (const _ of all) tokens.push(await bus.lock('shared', async (lock) => lock.token));
  const isRising = tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0));
  const received = { mail: await mail.whole, events: await events.whole, tasks: await tasks.whole };
  await sendToParent({ ...received, responses, results, tokens: isRising });
}

onParentMessage<string>((message) => {
  if (message === 'go') void exchange();
  else void bus.close().then(() => process.exit(0));
});
await sendToParent({ library: import.meta.resolve('busbar') });
