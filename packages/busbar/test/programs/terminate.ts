// A worker thread that uses the bus at a URL is terminated in the middle of work: `terminate.ts URL`.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { connect, isBusbarError } from '../../src/index.ts';

const options = { onError: () => undefined };

/** Waits for events, requests and tasks, and never ends its task. */
async function work(url: string): Promise<void> {
  const bus = await connect(url, options);
  const agent = await bus.agent('@thread');
  agent.handle('ask', () => new Promise(() => undefined));
  await bus.subscribe('news', () => undefined);
  const worker = { leaseMs: 1_000 };
  await bus.process('work', () => new Promise(() => parentPort?.postMessage('working')), worker);
  await bus.enqueue('work', 'left');
}

function codeOf(error: unknown): string {
  return isBusbarError(error) ? error.code : String(error);
}

/** Terminates the thread, then uses the bus in this process and finishes what the thread left. */
async function survive(url: string): Promise<void> {
  await using bus = await connect(url, options);
  const thread = new Worker(new URL(import.meta.url), { workerData: url });
  const [said] = (await once(thread, 'message')) as [string];
  await thread.terminate();
  // Each thread has stores in memory of its own.
  const left = said === 'working' && bus.transport.name !== 'memory' ? 1 : 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  let handled = 0;
  await bus.process('work', () => {
    handled += 1;
    if (handled === left + 1) resolve();
  });
  await bus.enqueue('work', 'own');
  await promise;
  console.log(`the thread was ${said}; handled ${handled}`);
}

if (isMainThread) await survive(process.argv[2] ?? '');
else await work(workerData as string).catch((error: unknown) => parentPort?.postMessage(codeOf(error)));
