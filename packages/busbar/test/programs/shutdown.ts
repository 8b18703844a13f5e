// A worker that ends by signals: shutdown.ts URL DRAIN-MS. Its handler runs until SIGUSR2.
import { connect, shutdownOn } from '../../src/index.ts';

const [url, drainMs] = process.argv.slice(2);
const bus = await connect(url);
shutdownOn(['SIGTERM', 'SIGINT'], bus, {
  drainMs: Number(drainMs),
  beforeClose: () => {
    console.log('before close', bus.transport.state);
    throw new Error('from beforeClose');
  },
});
const go = Promise.withResolvers<void>();
process.on('SIGUSR2', () => go.resolve());
await bus.process('jobs', async (_, { signal }) => {
  signal.addEventListener('abort', () => console.log('aborted'));
  console.log('running');
  await go.promise;
  console.log('done');
});
