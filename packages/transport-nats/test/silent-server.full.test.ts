// A server that falls silent on an open connection.
import { needServer, startNats } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openNats, parseNatsUrl } from '../src/index.ts';

test('a transport without work notices a silent server, and comes back', async ({ skip }) => {
  needServer('nats-server', skip);
  await using server = await startNats({ proxy: true });
  await using transport = await openNats(parseNatsUrl(server.url));
  server.network.halfOpen();
  await expect.poll(() => transport.state, { timeout: 40_000 }).toBe('reconnecting');
  server.network.heal();
  await expect.poll(() => transport.state, { timeout: 20_000 }).toBe('open');
}, 90_000);
