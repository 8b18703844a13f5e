// Background work that fails is reported to the bus. The store is looked at every few seconds.
import { type BackgroundFailure, openBus } from '@busbar/api';
import { needServer, startNats, waitFor } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { Names } from '../src/connection/names.ts';
import { openNats, parseNatsUrl } from '../src/index.ts';

test('a header of the store by a newer version is reported', { timeout: 90_000 }, async ({ skip }) => {
  needServer('nats-server', skip);
  await using server = await startNats();
  const failures: BackgroundFailure[] = [];
  await using bus = openBus(await openNats(parseNatsUrl(server.url)), { onError: (failure) => failures.push(failure) });
  expect(bus.transport.state).toBe('open');
  const client = await connect({ servers: server.url.replace('nats://', '') });
  await client.request(new Names('').header, JSON.stringify({ format: 999 }));
  await client.close();
  await waitFor(() => failures.length > 0, { what: 'the report', timeoutMs: 60_000 });
  expect(failures[0]).toMatchObject({
    kind: 'background',
    place: 'background check of the store',
    error: { code: 'CONFLICT' },
  });
});
