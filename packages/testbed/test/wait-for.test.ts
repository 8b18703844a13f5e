import { createServer } from 'node:net';
import { freePort, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';

test('waits until the result is truthy and returns it', async () => {
  let asked = 0;
  expect(await waitFor(() => ++asked === 3 && 'third', { what: 'the third' })).toBe('third');
});

test('a failure names the awaited condition and the last value', async () => {
  const never = waitFor(() => 0, { what: 'the bus', timeoutMs: 10 });
  await expect(never).rejects.toThrow('waited 10 ms for the bus; last answer: 0');
  const throws = waitFor(() => Promise.reject(new Error('flat tyre')), { what: 'the bus', timeoutMs: 10 });
  await expect(throws).rejects.toMatchObject({ cause: { message: 'flat tyre' } });
});

test('a free port can be listened on', async () => {
  const server = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  server.close();
});
