// WebSocket: endpoint files, half-open connections, slow readers.
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { openProxy, tempDir, waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, frame } from '@busbar/wire';
import { describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { openSocket } from '../../src/index.ts';
import { localHub } from '../support/local-hub.ts';

const ANY = 'ws://127.0.0.1:0/bus';
const body = (text: string): Uint8Array => Buffer.from(text);
const unavailable = { code: 'UNAVAILABLE' };

describe('an endpoint file', () => {
  test.concurrent('contains what clients need, is private to its owner, and is removed with the hub', async () => {
    await using folder = tempDir('busbar-ws');
    const path = folder.join('bus.ws');
    const { hub, url } = await localHub(`ws:${path}`);
    expect(url).toBe(`ws:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { url: address, token } = JSON.parse(readFileSync(path, 'utf8'));
    expect(address).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/bus$/);
    const client = await openSocket(url);
    expect((await client.queues.send('q', [{ body: body('hi') }]))[0]?.status).toBe('stored');
    await client.close();
    await expect(openSocket(address)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    const tokenFile = folder.join('token');
    writeFileSync(tokenFile, token, { mode: 0o600 });
    await (await openSocket(`${address}?tokenFile=${tokenFile}`)).close();
    await hub.close();
    for (const left of [path, `${path}.lock`]) expect(() => statSync(left)).toThrow(/ENOENT/);
  });

  test.concurrent('has one hub', async () => {
    await using folder = tempDir('busbar-ws');
    const url = `ws:${folder.join('bus.ws')}`;
    await using _first = await localHub(url);
    await expect(localHub(url)).rejects.toMatchObject({ code: 'CONFLICT' });
    await (await openSocket(url)).close();
  });

  test.concurrent('that is missing or outdated is UNAVAILABLE, and the hint names the command', async () => {
    await using folder = tempDir('busbar-ws');
    const path = folder.join('bus.ws');
    const url = `ws:${path}?connectTimeoutMs=200`;
    await expect(openSocket(url)).rejects.toMatchObject({
      ...unavailable,
      hint: `Start one: busbar hub --listen ws:${path}`,
    });
    writeFileSync(path, JSON.stringify({ url: 'ws://127.0.0.1:1/bus', token: 't', proof: 'p' }), { mode: 0o600 });
    await expect(openSocket(url)).rejects.toMatchObject(unavailable);
  });

  test.concurrent('whose port belongs to another program is not trusted', async () => {
    await using folder = tempDir('busbar-ws');
    const server = createServer();
    new WebSocketServer({ server });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const path = folder.join('bus.ws');
    const { port } = server.address() as { port: number };
    writeFileSync(path, JSON.stringify({ url: `ws://127.0.0.1:${port}/bus`, token: 't', proof: 'p' }), { mode: 0o600 });
    const opening = openSocket(`ws:${path}?connectTimeoutMs=1000`);
    await expect(opening).rejects.toMatchObject({ ...unavailable, message: expect.stringMatching(/another program/) });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test.concurrent('that is illegal, or that other users can read or write, is PERMISSION_DENIED', async () => {
    await using folder = tempDir('busbar-ws');
    const denied = { code: 'PERMISSION_DENIED', message: expect.not.stringContaining('secret') };
    const path = folder.join('bus.ws');
    writeFileSync(path, '{"token":"secret"}', { mode: 0o600 });
    await expect(openSocket(`ws:${path}`)).rejects.toMatchObject(denied);
    chmodSync(path, 0o640);
    await expect(openSocket(`ws:${path}`)).rejects.toMatchObject(denied);
    symlinkSync(path, folder.join('link.ws'));
    await expect(openSocket(`ws:${folder.join('link.ws')}`)).rejects.toMatchObject(denied);
    chmodSync(folder.path, 0o777);
    await expect(openSocket(`ws:${path}`)).rejects.toMatchObject(denied);
  });
});

describe('the URL', () => {
  test.concurrent.each([
    'ws:',
    'ws://',
    'wss:bus.ws',
    'ws://127.0.0.1:0/bus',
    'ws://127.0.0.1:70000/bus',
    'ws://127.0.0.1:7400/bus#x',
    'ws://127.0.0.1:7400/bus?token=secret',
    'ws://127.0.0.1:7400/bus?ns=',
    'ws://127.0.0.1:7400/bus?ns=a&ns=b',
    'ws://127.0.0.1:7400/bus?store=memory:',
    'ws://127.0.0.1:7400/bus?tokenFile=/no/such/secret',
    'ws://127.0.0.1:7400/bus?ca=/no/such/file',
    'ws://127.0.0.1:7400/bus?connectTimeoutMs=soon',
    'ws://127.0.0.1:7400/bus?heartbeatMs=1',
    'ws://user:secret@127.0.0.1:7400/bus',
    'ws:./bus.ws?tokenFile=x',
    `ws:/${'x'.repeat(103)}`,
  ])('%s is refused', async (url) => {
    await expect(openSocket(url)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.concurrent('of another server is refused', async () => {
    await using local = await localHub(ANY);
    await expect(openSocket(local.url.replace('/bus', '/other'))).rejects.toMatchObject({
      ...unavailable,
      retryable: false,
      message: expect.stringMatching(/no hub at this path/),
    });
    await expect(openSocket('ws://127.0.0.1:1/bus?connectTimeoutMs=200')).rejects.toMatchObject({
      ...unavailable,
      hint: 'Start one: busbar hub --listen ws://127.0.0.1:1/bus',
    });
  });
});

describe('a connection', () => {
  test.concurrent('that is half open is detected by both ends', async () => {
    await using local = await localHub(ANY);
    const { port } = new URL(local.url);
    await using proxy = await openProxy({ target: { host: '127.0.0.1', port: Number(port) } });
    await using client = await openSocket(`ws://127.0.0.1:${proxy.port}/bus?heartbeatMs=100`);
    proxy.halfOpen();
    await waitFor(() => client.state === 'reconnecting', { what: 'the client to detect it' });
    await waitFor(() => local.hub.clients === 0, { what: 'the hub to detect it' });
    proxy.heal();
    await waitFor(() => client.state === 'open', { what: 'the client to reconnect' });
    expect((await client.queues.send('q', [{ body: body('hi') }]))[0]?.status).toBe('stored');
  });

  test.concurrent('that is cut within a message ends, and other clients are not affected', async () => {
    await using local = await localHub(ANY);
    await using client = await openSocket(local.url);
    const socket = new WebSocket(local.url);
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(encodeFrames([frame(FRAME.hello, 0, { version: 1 })]));
    await new Promise((resolve) => socket.once('message', resolve));
    const bare = (socket as unknown as { readonly _socket: Socket })._socket;
    // The header of a message of 1,000 bytes, and ten of them.
    bare.write(Buffer.from([0x82, 0xfe, 0x03, 0xe8, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    bare.end();
    socket.on('error', () => undefined);
    await waitFor(() => local.hub.clients === 1, { what: 'the hub to disconnect it' });
    expect((await client.queues.send('q', [{ body: body('hi') }]))[0]?.status).toBe('stored');
  });

  test.concurrent('that begins with bytes of another protocol is closed', async () => {
    await using local = await localHub(ANY);
    const socket = connect(Number(new URL(local.url).port), '127.0.0.1');
    socket.write(
      'GET /bus HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
        'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await new Promise((resolve) => socket.once('data', resolve));
    // An unmasked message, which no client may send.
    socket.write(Buffer.from([0x82, 0x03, 1, 2, 3]));
    await new Promise((resolve) => socket.once('close', resolve));
    await waitFor(() => local.log.length === 1, { what: 'one line in the log' });
  });
});
