// Background work of the store of a hub that fails is reported to the clients, over every link.
import { type BackgroundFailure, openBus } from '@busbar/api';
import { WorkFailures } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { tempDir, waitFor } from '@busbar/testbed';
import { connectTransport } from 'busbar';
import { expect, test } from 'vitest';
import { hubLink, openSocket, serveHub } from '../../src/index.ts';

test.each(['unix:$/bus.sock', 'zmq:ipc://$/bus.zmq', 'ws:$/bus.ws'])('over %s', async (pattern) => {
  await using folder = tempDir();
  const url = pattern.replace('$', folder.path);
  const store = await connectTransport('memory:');
  const failing = new WorkFailures();
  store.onFailure = (listener) => {
    failing.listen(listener);
    return () => undefined;
  };
  await using _hub = await serveHub({ store: async () => store, links: [await hubLink(url)] });
  const failures: BackgroundFailure[] = [];
  await using bus = openBus(await openSocket(url), { onError: (failure) => failures.push(failure) });
  expect(bus.transport.state).toBe('open');
  failing.report('maintenance', new BusbarError('BACKPRESSURE', 'the disk is full', { hint: 'Make room.' }));
  await waitFor(() => failures.length > 0, { what: 'the report', timeoutMs: 20_000 });
  expect(failures).toMatchObject([
    {
      ...{ kind: 'background', work: 'maintenance', place: 'background maintenance' },
      error: { code: 'BACKPRESSURE', message: 'the disk is full', hint: 'Make room.' },
    },
  ]);
});
