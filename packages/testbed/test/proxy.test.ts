import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { type Endpoint, type FaultProxy, openProxy, tempDir, waitFor } from '@busbar/testbed';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const folder = tempDir('proxy');
const links: Record<string, () => { target: Endpoint; listen: Endpoint }> = {
  tcp: () => ({ target: { host: '127.0.0.1', port: 0 }, listen: { host: '127.0.0.1', port: 0 } }),
  unix: () => ({ target: { path: folder.join('target.sock') }, listen: { path: folder.join('proxy.sock') } }),
};

describe.each(Object.keys(links))('over %s', (link) => {
  let server: Server;
  let proxy: FaultProxy;
  let seen: { text: string; ended: boolean };

  beforeEach(async () => {
    const mine = { text: '', ended: false };
    seen = mine;
    const { target, listen } = links[link]!();
    server = createServer((socket) => {
      socket.on('error', () => undefined).on('end', () => (mine.ended = true));
      socket.on('data', (bytes) => {
        mine.text += bytes;
        socket.write(bytes);
      });
    });
    server.listen(target);
    await once(server, 'listening');
    const address = server.address()!;
    proxy = await openProxy({
      target: typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: address.port },
      listen,
    });
  });

  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    server.close();
  });

  test('passes bytes and ends', async () => {
    const client = open(proxy);
    client.socket.end('hello');
    await client.closed;
    expect(client).toMatchObject({ received: 'hello', error: undefined });
    await waitFor(() => proxy.connections === 0, { what: 'the connection to go' });
  });

  test('cut resets open connections and accepts new ones', async () => {
    const client = open(proxy);
    await echo(client, 'x');
    proxy.cut();
    await client.closed;
    if (link === 'tcp') expect(client.error?.code).toBe('ECONNRESET');
    await using next = open(proxy);
    await echo(next, 'y');
  });

  test('block refuses until healed', async () => {
    proxy.block();
    await open(proxy).closed;
    proxy.heal();
    await using client = open(proxy);
    await echo(client, 'x');
  });

  test('half-open shows neither end a close, and loses nothing when it heals', async () => {
    await using client = open(proxy);
    await echo(client, 'x');
    proxy.halfOpen();
    client.socket.write('held');
    await expect(waitFor(() => seen.text !== 'x', { what: 'nothing', timeoutMs: 30 })).rejects.toThrow();
    expect(client.socket.destroyed || seen.ended).toBe(false);
    proxy.heal();
    await waitFor(() => client.received === 'xheld', { what: 'what was held' });
  });

  test('half-open in one direction holds only the replies', async () => {
    await using client = open(proxy);
    proxy.halfOpen('toClient');
    client.socket.write('x');
    await waitFor(() => seen.text === 'x', { what: 'the request' });
    expect(client.received).toBe('');
  });

  test('an end that closes while half-open is noticed after healing', async () => {
    const client = open(proxy);
    await echo(client, 'x');
    proxy.halfOpen();
    client.socket.destroy();
    proxy.heal();
    await waitFor(() => proxy.connections === 0, { what: 'the connection to go' });
  });

  test('delay postpones and keeps order', async () => {
    await using client = open(proxy);
    proxy.delay(20);
    const start = performance.now();
    for (const text of ['a', 'b', 'c']) client.socket.write(text);
    await waitFor(() => client.received === 'abc', { what: 'the answer' });
    expect(performance.now() - start).toBeGreaterThanOrEqual(39);
  });

  test('cutAfter ends in the middle of a frame', async () => {
    const client = open(proxy);
    proxy.cutAfter(3);
    client.socket.write('abcdef');
    await client.closed;
    await waitFor(() => seen.ended, { what: 'the server to see the end' });
    expect(seen.text).toBe('abc');
  });
});

interface Client extends AsyncDisposable {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  received: string;
  error: NodeJS.ErrnoException | undefined;
}

function open(proxy: FaultProxy): Client {
  const socket = dial({ ...proxy.endpoint });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const client: Client = {
    socket,
    closed,
    received: '',
    error: undefined,
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
  socket.on('data', (bytes) => (client.received += bytes)).on('error', (error) => (client.error = error));
  return client;
}

async function echo(client: Client, text: string): Promise<void> {
  client.socket.write(text);
  await waitFor(() => client.received.endsWith(text), { what: `the echo of ${text}` });
}
