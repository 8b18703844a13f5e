// Authorization over WebSocket, and the refusals.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { TEST_CERTIFICATES, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

const TOKEN = 'a-token-of-24-characters';
const ANY = 'ws://127.0.0.1:0/bus';

interface Answer {
  readonly status: number;
  readonly body: { readonly code?: string; readonly message?: string };
  readonly protocol: string;
  readonly extensions: string;
}

interface Attempt {
  readonly headers?: Record<string, string>;
  readonly protocols?: string[];
  readonly origin?: string;
}

/** The result of a request for an upgrade. */
async function upgrade(url: string, { headers = {}, protocols = [], origin }: Attempt = {}): Promise<Answer> {
  const socket = new WebSocket(url, protocols, { headers, ...(origin !== undefined && { origin }) });
  socket.on('error', () => undefined);
  const { promise, resolve } = Promise.withResolvers<Answer>();
  socket.on('open', () => resolve({ status: 101, body: {}, protocol: socket.protocol, extensions: socket.extensions }));
  socket.on('unexpected-response', async (_request, response) => {
    let text = '';
    for await (const piece of response) text += piece;
    resolve({ status: response.statusCode ?? 0, body: JSON.parse(text), protocol: '', extensions: '' });
  });
  try {
    return await promise;
  } finally {
    socket.terminate();
  }
}

/** Sends `text` over a TCP connection and reads until its end. */
async function say(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  if (text !== '') socket.write(text);
  let response = '';
  for await (const piece of socket) response += piece;
  return response;
}

const portOf = (url: string): number => Number(new URL(url).port);

describe('an upgrade', () => {
  test.concurrent('needs a token in a header or among the subprotocols', async () => {
    await using local = await localHub(ANY, [{ token: TOKEN }]);
    const { url } = local;
    const bearer = (token: string): Attempt => ({ headers: { authorization: `Bearer ${token}` } });
    expect(await upgrade(url)).toMatchObject({ status: 401, body: { code: 'PERMISSION_DENIED' } });
    expect((await upgrade(url, bearer(`${TOKEN}x`))).status).toBe(401);
    expect((await upgrade(url, bearer(TOKEN.slice(0, -1)))).status).toBe(401);
    expect((await upgrade(url, { headers: { authorization: `Basic ${TOKEN}` } })).status).toBe(401);
    expect((await upgrade(url, bearer(TOKEN))).status).toBe(101);
    const browser = await upgrade(url, { protocols: ['busbar', `busbar.token.${TOKEN}`] });
    expect(browser).toMatchObject({ status: 101, protocol: 'busbar' });
    expect((await upgrade(url, { protocols: ['busbar', 'busbar.token.wrong'] })).status).toBe(401);
    expect(local.log.join('\n')).not.toContain(TOKEN);
  });

  test.concurrent('leaves the token to hello for a client that offers busbar.hello, whose origin must be right', async () => {
    await using local = await localHub(`${ANY}?origin=https://app.example`, [{ token: TOKEN }]);
    const protocols = ['busbar', 'busbar.hello'];
    const welcomed = async (token?: string): Promise<unknown> => {
      const socket = new WebSocket(local.url, protocols, { origin: 'https://app.example' });
      socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', header: { version: 1, token } })));
      const first = await new Promise((resolve) => socket.once('message', resolve));
      socket.terminate();
      return JSON.parse(String(first));
    };
    expect(await welcomed(TOKEN)).toMatchObject({ type: 'welcome' });
    for (const token of [undefined, `${TOKEN}x`])
      expect(await welcomed(token)).toMatchObject({ type: 'error', header: { code: 'PERMISSION_DENIED' } });
    expect((await upgrade(local.url, { protocols, origin: 'https://evil.example' })).status).toBe(403);
    expect((await upgrade(local.url, { protocols: [...protocols, 'busbar.token.wrong'] })).status).toBe(401);
    expect(local.log.join('\n')).not.toContain(TOKEN);
  });

  test.concurrent('counts a client that offers busbar.hello as a handshake until it is welcome', async () => {
    await using local = await localHub(ANY, [{ token: TOKEN }]);
    const welcome = new WebSocket(local.url, ['busbar', 'busbar.hello']);
    welcome.on('open', () => welcome.send(JSON.stringify({ type: 'hello', header: { version: 1, token: TOKEN } })));
    await new Promise((resolve) => welcome.once('message', resolve));
    const silent = new WebSocket(local.url, ['busbar', 'busbar.hello']);
    silent.on('error', () => undefined);
    await new Promise((resolve) => silent.once('open', resolve));
    const crowd = Array.from({ length: 1_000 }, () => say(portOf(local.url), ''));
    await new Promise((resolve) => silent.once('close', resolve));
    expect(welcome.readyState).toBe(WebSocket.OPEN);
    await Promise.all(crowd);
    expect(welcome.readyState).toBe(WebSocket.OPEN);
    welcome.terminate();
  });

  test.concurrent('accepts no token in the URL', async () => {
    await using local = await localHub(ANY, [{ token: TOKEN }]);
    const { url, log } = local;
    const response = await upgrade(`${url}?token=${TOKEN}`);
    expect(response).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
    expect(JSON.stringify(response) + log.join('\n')).not.toContain(TOKEN);
    await expect(openSocket(`${url.replace('127.', 'user:secret@127.')}`)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.not.stringContaining('secret'),
    });
  });

  test.concurrent('is refused to an unlisted web page, even with a token', async () => {
    await using closed = await localHub(ANY);
    const page = 'https://app.example';
    expect(await upgrade(closed.url, { origin: page })).toMatchObject({
      status: 403,
      body: { code: 'PERMISSION_DENIED' },
    });
    expect(await upgrade(closed.url, { origin: 'null' })).toMatchObject({ status: 403 });
    await using open = await localHub(`${ANY}?origin=https://other.example,${page}`);
    expect((await upgrade(open.url, { origin: page })).status).toBe(101);
    expect((await upgrade(open.url, { origin: `${page}.evil` })).status).toBe(403);
  });

  test.concurrent('is refused for an unknown host name', async () => {
    await using local = await localHub(`${ANY}?host=bus.example`);
    const named = async (host: string): Promise<number> => (await upgrade(local.url, { headers: { host } })).status;
    expect(await named('evil.example')).toBe(403);
    expect(await named('localhost.evil.example:80')).toBe(403);
    expect(await named('bus.example:99')).toBe(101);
    expect(await named('localhost')).toBe(101);
    expect(await named('[::1]:1')).toBe(101);
    expect(await named('evil.example:80:80')).toBe(403);
  });

  test.concurrent('gets a response even if it is not an upgrade or not HTTP', async () => {
    await using local = await localHub(ANY);
    const port = portOf(local.url);
    const response = await fetch(`http://127.0.0.1:${port}/bus`);
    expect(response.status).toBe(426);
    expect(await response.json()).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await say(port, 'GARBAGE\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await say(port, `GET /bus HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
    await say(port, 'GARBAGE\r\n\r\n');
    expect(local.log.filter((line) => line.includes('not an HTTP')).length).toBe(1);
    expect((await upgrade(local.url)).status).toBe(101);
  });

  test.concurrent('is never compressed', async () => {
    await using local = await localHub(ANY);
    const socket = new WebSocket(local.url, { perMessageDeflate: true });
    await new Promise((resolve) => socket.once('open', resolve));
    expect(socket.extensions).toBe('');
    socket.terminate();
  });

  test.concurrent('has a time limit, and their number is limited: the oldest is dropped first', async () => {
    await using local = await localHub(ANY);
    const port = portOf(local.url);
    const began = performance.now();
    const slow = say(port, 'GET /bus HTTP/1.1\r\nhost: 127');
    const crowd = Array.from({ length: 1_000 }, () => say(port, ''));
    await slow;
    expect(performance.now() - began).toBeLessThan(4_000);
    expect((await upgrade(local.url)).status).toBe(101);
    await Promise.all(crowd);
    expect(performance.now() - began).toBeGreaterThan(4_000);
  });
});

describe('a hub beyond this machine', () => {
  const start = (url: string, tokens: { token: string }[] = []): Promise<void> =>
    localHub(url, tokens).then(({ hub }) => hub.close());

  test.concurrent('needs tokens, and TLS or the parameter insecure', async () => {
    const hint = { code: 'INVALID_ARGUMENT' };
    await expect(start('ws://0.0.0.0:0/bus')).rejects.toMatchObject({
      ...hint,
      message: expect.stringMatching(/tokens/),
    });
    await expect(start('ws://0.0.0.0:0/bus?insecure=true')).rejects.toMatchObject(hint);
    await expect(start('ws://0.0.0.0:0/bus', [{ token: TOKEN }])).rejects.toMatchObject({
      ...hint,
      message: expect.stringMatching(/TLS/),
    });
    await start('ws://0.0.0.0:0/bus?insecure=true', [{ token: TOKEN }]);
    await expect(start('ws://0.0.0.0:0/bus?insecure=yes', [{ token: TOKEN }])).rejects.toMatchObject(hint);
    await expect(start('wss://127.0.0.1:0/bus')).rejects.toMatchObject(hint);
    await expect(start('ws://127.0.0.1:0/bus?cert=a&key=b')).rejects.toMatchObject(hint);
  });

  test.concurrent('speaks TLS to clients that trust its authority', async () => {
    await using folder = tempDir('busbar-tls');
    const { cert, key, ca, wrongCa } = TEST_CERTIFICATES;
    const tokenFile = folder.join('token');
    writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    await using local = await localHub(`wss://127.0.0.1:0/bus?cert=${cert}&key=${key}`, [{ token: TOKEN }]);
    const { url } = local;
    expect(url).toMatch(/^wss:/);
    await using client = await openSocket(`${url}?ca=${ca}&tokenFile=${tokenFile}`);
    expect((await client.queues.send('q', [{ body: Buffer.from('hi') }]))[0]?.status).toBe('stored');
    const denied = { code: 'PERMISSION_DENIED', message: expect.stringMatching(/certificate/) };
    await expect(openSocket(`${url}?tokenFile=${tokenFile}`)).rejects.toMatchObject(denied);
    await expect(openSocket(`${url}?ca=${wrongCa}&tokenFile=${tokenFile}`)).rejects.toMatchObject(denied);
    await expect(openSocket(`${url}?ca=${ca}`)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  });
});

test.concurrent('ws is new enough: before 8.21 tiny fragments could exhaust the memory', () => {
  const { resolve } = createRequire(import.meta.url);
  const { version } = JSON.parse(readFileSync(resolve('ws/package.json'), 'utf8')) as { version: string };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  expect(major * 1000 + minor).toBeGreaterThanOrEqual(8_021);
});
