// Programs that do not close their bus: `idle.ts URL uses|waits|rests`.
import { connect } from '../../src/index.ts';

const [url = '', role] = process.argv.slice(2);
const bus = await connect(url, { onError: () => undefined });

/** Uses the bus and awaits all answers. */
async function use(): Promise<void> {
  const responder = await bus.agent('@answers');
  responder.handle('add', ({ body }) => (body as number) + 1);
  const worker = await bus.process<number>('work', ({ body }) => body * 2);
  const requester = await bus.agent('@asks', { presence: false });
  const sum = await requester.request('@answers', 'add', 1);
  const product = await (await bus.enqueue<number>('work', 4)).result();
  await bus.publish('news', 'kept');
  await bus.lock('held');
  const { length } = await bus.enqueueAll('later', ['kept', 'kept'], { delayMs: 60_000 });
  await Promise.all([worker.close(), responder.close()]);
  await requester.send('@answers', 'note', 'kept');
  const { idleExit } = bus.transport.capabilities.features;
  console.log(JSON.stringify({ sum, product, length, idleExit }));
  if (!idleExit) await bus.close();
}

/** Waits for one event, also while the server is away. */
async function wait(): Promise<void> {
  const subscription = await bus.subscribe('news', ({ body }) => {
    console.log(`event ${body}`);
    void subscription.close();
  });
  bus.transport.onState(({ state }) => console.log(state));
  console.log('waiting');
}

/** Waits for nothing once the server is away. */
function rest(): void {
  const timer = setInterval(() => undefined, 60_000);
  bus.transport.onState(({ state }) => {
    console.log(state);
    clearInterval(timer);
  });
  console.log('waiting');
}

if (role === 'uses') await use();
else if (role === 'waits') await wait();
else rest();
