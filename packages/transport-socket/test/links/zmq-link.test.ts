// ZeroMQ silently queues and drops messages, and takes over addresses in use. None of this may affect users.
import { statSync } from 'node:fs';
import { spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, type Frame, frame } from '@busbar/wire';
import { describe, expect, test } from 'vitest';
import { Dealer, Router } from 'zeromq';
import { openSocket } from '../../src/index.ts';
import { readPacket } from '../../src/wire/packet.ts';
import { localHub } from '../support/local-hub.ts';

const HELLO = encodeFrames([frame(FRAME.hello, 0, { version: 1, heartbeatMs: 1000 })]);
const TCP = 'zmq:tcp://127.0.0.1:0';
const body = (text: string): Uint8Array => Buffer.from(text);

/** A client without the library. */
function dealerTo(url: string): Dealer {
  const dealer = new Dealer({ linger: 0, sendTimeout: 0 });
  dealer.connect(url.replace('zmq:', ''));
  return dealer;
}

async function next(dealer: Dealer): Promise<readonly Frame[]> {
  const [packet] = await dealer.receive();
  return readPacket(packet!);
}

describe('one path', () => {
  test.concurrent('has one hub: a second one is refused, and the first continues', async () => {
    await using folder = tempDir('busbar-zmq');
    const url = `zmq:ipc://${folder.join('bus.zmq')}`;
    await using first = await localHub(url);
    await using client = await openSocket(url);
    await expect(localHub(url)).rejects.toMatchObject({ code: 'CONFLICT' });
    await client.queues.send('q', [{ body: body('still here') }]);
    await using late = await openSocket(url);
    expect((await late.queues.receive('q')).length).toBe(1);
    expect(first.hub.clients).toBe(2);
  });

  test.concurrent('can be bound twice by ZeroMQ, so the lock is needed', async () => {
    await using folder = tempDir('busbar-zmq');
    const [first, second] = [new Router(), new Router()];
    first.bindSync(`ipc://${folder.join('stolen')}`);
    second.bindSync(`ipc://${folder.join('stolen')}`);
    first.close();
    second.close();
  });

  test.concurrent('is private to its owner, and removed with its hub', async () => {
    await using folder = tempDir('busbar-zmq');
    const path = folder.join('deep', 'bus.zmq');
    const { hub } = await localHub(`zmq:ipc://${path}`);
    expect(statSync(folder.join('deep')).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}.token`).mode & 0o777).toBe(0o600);
    await hub.close();
    for (const left of [path, `${path}.token`, `${path}.lock`]) expect(() => statSync(left)).toThrow(/ENOENT/);
  });

  test.concurrent('requires the token from the file beside it', async () => {
    await using folder = tempDir('busbar-zmq');
    await using local = await localHub(`zmq:ipc://${folder.join('bus.zmq')}`);
    const dealer = dealerTo(local.url);
    await dealer.send(HELLO);
    expect(await next(dealer)).toMatchObject([{ type: FRAME.error, header: { code: 'PERMISSION_DENIED' } }, {}]);
    dealer.close();
  });

  test.concurrent.each([
    ['a path of 104 bytes', `zmq:ipc:///${'x'.repeat(103)}`, 'INVALID_ARGUMENT'],
    ['another machine', 'zmq:tcp://192.0.2.1:7400', 'UNSUPPORTED'],
    ['all addresses', 'zmq:tcp://0.0.0.0:7400', 'UNSUPPORTED'],
    ['any address', 'zmq:tcp://*:7400', 'UNSUPPORTED'],
    ['a name that may be another machine', 'zmq:tcp://localhost.example:7400', 'UNSUPPORTED'],
    ['no port', 'zmq:tcp://127.0.0.1', 'INVALID_ARGUMENT'],
    ['an illegal port', 'zmq:tcp://127.0.0.1:70000', 'INVALID_ARGUMENT'],
    ['a network of its own', 'zmq:pgm://127.0.0.1:7400', 'INVALID_ARGUMENT'],
    ['no path', 'zmq:ipc://', 'INVALID_ARGUMENT'],
    ['an unknown parameter', 'zmq:tcp://127.0.0.1:7400?token=secret', 'INVALID_ARGUMENT'],
  ])('that is %s is refused, on both sides', async (_what, url, code) => {
    await expect(openSocket(url)).rejects.toMatchObject({ code, message: expect.not.stringContaining('secret') });
    await expect(localHub(url)).rejects.toMatchObject({ code });
  });

  test.concurrent('without a hub is UNAVAILABLE, and the hint names the command', async () => {
    await expect(openSocket('zmq:tcp://127.0.0.1:1?connectTimeoutMs=200')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      hint: 'Start one: busbar hub --listen zmq:tcp://127.0.0.1:1',
    });
  });
});

describe('a peer', () => {
  test.concurrent('that is killed is removed at once, with its waits', async () => {
    await using local = await localHub(TCP);
    await using client = await openSocket(local.url);
    const program = `import { openSocket } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
      const client = await openSocket(process.argv[2]);
      client.queues.receive('q', { waitMs: Infinity });
      client.queues.receive('q', { waitMs: Infinity });`;
    await using folder = tempDir('busbar-zmq');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(folder.join('waiter.ts'), program);
    const child = spawnChild({ file: folder.join('waiter.ts'), args: [local.url] });
    await waitFor(() => local.hub.clients === 2, { what: 'the other client' });
    const began = performance.now();
    await child.kill();
    await waitFor(() => local.hub.clients === 1, { what: 'the hub to detect it' });
    // Heartbeats would take nine seconds.
    expect(performance.now() - began).toBeLessThan(3_000);
    await client.queues.send('q', [{ body: body('for the living') }]);
    expect((await client.queues.receive('q')).length).toBe(1);
  });

  test.concurrent('that reads slowly receives everything', async () => {
    await using local = await localHub(TCP);
    await using client = await openSocket(local.url);
    await client.kv.put('large', new Uint8Array(65_536).fill(7));
    const all = await Promise.all(Array.from({ length: 300 }, () => client.kv.get('large')));
    expect(all.every((entry) => entry?.value[65_535] === 7)).toBe(true);
    const many = Array.from({ length: 5_000 }, (_, n) => ({ body: body(`m${n}`) }));
    await Promise.all(many.map((message) => client.queues.send('q', [message])));
    expect((await client.admin.queues({ names: ['q'] }))[0]?.ready).toBe(5_000);
  });

  test.concurrent('that exceeds its credit is disconnected', async () => {
    await using local = await localHub(TCP);
    const dealer = dealerTo(local.url);
    await dealer.send(HELLO);
    await next(dealer);
    await dealer.send(encodeFrames([frame(FRAME.credit, 0, { count: 5_000 })]));
    expect(await next(dealer)).toMatchObject([{ type: FRAME.goaway, header: { code: 'INVALID_ARGUMENT' } }]);
    // The connection stays closed, although its socket is open.
    await dealer.send(HELLO);
    expect(await next(dealer)).toMatchObject([{ type: FRAME.goaway }]);
    expect(local.hub.clients).toBe(0);
    dealer.close();
  });

  test.concurrent('that sends an empty message or one of two parts harms no other client', async () => {
    await using local = await localHub(TCP);
    await using client = await openSocket(local.url);
    const dealer = dealerTo(local.url);
    await dealer.send([HELLO, HELLO]);
    expect(await next(dealer)).toMatchObject([{ type: FRAME.goaway, header: { code: 'INVALID_ARGUMENT' } }]);
    await dealer.send('');
    await dealer.send(HELLO);
    expect(await next(dealer)).toMatchObject([{ type: FRAME.welcome }]);
    expect((await client.queues.send('q', [{ body: body('x') }]))[0]?.status).toBe('stored');
    dealer.close();
  });
});
