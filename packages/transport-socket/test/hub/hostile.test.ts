// Malicious and broken peers: the hub refuses each with a reason, and other clients are not affected.
import type { Transport } from '@busbar/api/transport';
import { waitFor } from '@busbar/testbed';
import { encodeFrames, FRAME, type FrameType, frame, type Header, MAX_FRAME_BYTES } from '@busbar/wire';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { hubStatus, openUnix } from '../../src/index.ts';
import { randomFrom } from '../support/fuzz.ts';
import { RawPeer, tokenOf } from '../support/raw-peer.ts';
import { type RunningHub, startHub } from '../support/running-hub.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const FUZZ_FRAMES = isFull ? 120_000 : 6_000;

let hub: RunningHub;
let witness: Transport;

beforeAll(async () => {
  hub = await startHub('memory:');
  witness = await openUnix({ path: hub.path });
});

/** A well-behaved client. It must keep working over its connection. */
afterEach(async () => {
  await witness.queues.send('well', [{ body: Buffer.from('x') }], { timeoutMs: 5_000 });
  expect(await witness.queues.receive('well')).toHaveLength(1);
  expect(witness.state).toBe('open');
});

afterAll(async () => {
  await witness.close();
  await hub[Symbol.asyncDispose]();
});

const hello = (header: Header = {}): Header => ({ version: 1, token: tokenOf(hub.path), ...header });

describe('before the welcome', () => {
  test.each<[string, () => Uint8Array, RegExp]>([
    ['garbage', () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /over the limit/],
    ['a frame over the limit', () => Buffer.from('7fffffff', 'hex'), /over the limit of 4194304/],
    ['a request', () => encodeFrames([frame(FRAME.request, 1, { op: 'admin.clear' })]), /before the welcome/],
    [
      'a second hello',
      () => encodeFrames([frame(FRAME.hello, 0, hello()), frame(FRAME.hello, 0, hello())]),
      /second hello/,
    ],
    ['no token', () => encodeFrames([frame(FRAME.hello, 0, { version: 1 })]), /requires a token/],
    [
      'a wrong token',
      () => encodeFrames([frame(FRAME.hello, 0, hello({ token: 'x'.repeat(32) }))]),
      /does not know this token/,
    ],
    ['a token that is a number', () => encodeFrames([frame(FRAME.hello, 0, hello({ token: 1 }))]), /token is illegal/],
    ['another version', () => encodeFrames([frame(FRAME.hello, 0, hello({ version: 2 }))]), /speaks version 1/],
    ['no version', () => encodeFrames([frame(FRAME.hello, 0, {})]), /speaks version 1/],
    [
      'an ns with a slash and dots',
      () => encodeFrames([frame(FRAME.hello, 0, hello({ ns: '../x y' }))]),
      /ns is illegal/,
    ],
    ['an ns that is an object', () => encodeFrames([frame(FRAME.hello, 0, hello({ ns: {} }))]), /ns in hello/],
    ['a heartbeat of nothing', () => encodeFrames([frame(FRAME.hello, 0, hello({ heartbeatMs: 0 }))]), /heartbeatMs/],
    [
      'an agent of a megabyte',
      () => encodeFrames([frame(FRAME.hello, 0, hello({ agent: 'a'.repeat(1_000_000) }))]),
      /agent is illegal/,
    ],
  ])('%s is refused with the reason', async (_, bytes, why) => {
    await using peer = new RawPeer(hub.path);
    peer.write(bytes());
    expect(await peer.refused()).toMatch(why);
  });

  test('the token never appears in responses', async () => {
    await using peer = new RawPeer(hub.path);
    peer.send(frame(FRAME.hello, 0, hello({ token: 'hunter2hunter2hunter2' })));
    await peer.refused();
    expect(JSON.stringify(peer.frames.map(({ header }) => header))).not.toContain('hunter2');
    expect(hub.child.stderr).not.toMatch(/hunter2/);
    expect(hub.child.stderr).not.toContain(tokenOf(hub.path));
  });

  test('a peer without a complete hello is disconnected after five seconds', async () => {
    await using silent = new RawPeer(hub.path);
    await using slow = new RawPeer(hub.path);
    slow.write(encodeFrames([frame(FRAME.hello, 0, hello())]).subarray(0, 9));
    const reasons = await Promise.all([silent.refused(8_000), slow.refused(8_000)]);
    expect(reasons).toEqual(['no hello within 5000 ms', 'no hello within 5000 ms']);
  });

  test('a thousand silent connections do not block other clients', async () => {
    const crowd = Array.from({ length: 1_000 }, () => new RawPeer(hub.path));
    await using late = await openUnix({ path: hub.path });
    await late.queues.send('well', [{ body: Buffer.from('y') }]);
    expect(await late.queues.receive('well')).toHaveLength(1);
    await Promise.all(crowd.map((peer) => peer[Symbol.asyncDispose]()));
    await waitFor(async () => (await hubStatus(`unix:${hub.path}`)).clients <= 3, {
      what: 'the silent connections to end',
    });
  });
});

describe('after the welcome', () => {
  test.each<[string, FrameType, number, Header]>([
    ['a frame that only hubs send', FRAME.welcome, 0, {}],
    ['a call, which only hubs send', FRAME.call, 1, {}],
    ['a credit that is no number', FRAME.credit, 1, { count: 'many' }],
    ['a credit without measure', FRAME.credit, 1, { count: 1e9 }],
  ])('%s ends the connection', async (_, type, id, header) => {
    await using peer = await RawPeer.welcomed(hub.path);
    peer.send(frame(type, id, header));
    expect(await peer.refused()).toMatch(/./);
  });

  test('two requests under one id end the connection', async () => {
    await using peer = await RawPeer.welcomed(hub.path);
    const wait = { op: 'queues.receive', queue: 'never', waitMs: null };
    peer.send(frame(FRAME.request, 1, wait), frame(FRAME.request, 1, wait));
    expect(await peer.refused()).toMatch(/two requests under the id 1/);
  });

  test.each<[Header, number]>([
    [{}, 0],
    [{ op: 'toString' }, 0],
    [{ op: '__proto__' }, 0],
    [{ op: ['queues.send'] }, 0],
    [{ op: 'queues.send', queue: 'q' }, 0],
    [{ op: 'queues.send', queue: 'q', messages: {} }, 0],
    [{ op: 'queues.send', queue: 'q', messages: [null] }, 0],
    [{ op: 'queues.send', queue: 'q', messages: [] }, 1],
    [{ op: 'queues.send', queue: 'a b', messages: [{}] }, 0],
    [{ op: 'queues.send', queue: 'q', messages: [{ priority: 11 }] }, 1],
    [{ op: 'queues.send', queue: 'q', messages: [{ unknown: 1 }] }, 1],
    [{ op: 'queues.send', queue: 'q', messages: [{ headers: [] }] }, 1],
    [{ op: 'queues.send', queue: 'q', messages: [{}], timeoutMs: 'soon' }, 1],
    [{ op: 'queues.send', queue: 'q', messages: [{}], create: 'no' }, 1],
    [{ op: 'queues.receive', queue: 'q', max: 1e9 }, 0],
    [{ op: 'queues.receive', queue: 'q', waitMs: -1 }, 0],
    [{ op: 'queues.settle', settlements: [{ receipt: 1, action: 'ack' }] }, 0],
    [{ op: 'queues.settle', settlements: 'all' }, 0],
    [{ op: 'queues.configure', queue: 'q', settings: 5 }, 0],
    [{ op: 'topics.publish', topic: '>', messages: [{}] }, 1],
    [{ op: 'topics.subscribe', pattern: 'a.>.b' }, 0],
    [{ op: 'topics.subscribe', pattern: 'a', from: { after: '' } }, 0],
    [{ op: 'kv.put', key: 'k' }, 0],
    [{ op: 'kv.put', key: '' }, 1],
    [{ op: 'kv.list', prefix: '', limit: 0 }, 0],
    [{ op: 'cursor.next', cursor: 99 }, 0],
    [{ op: 'cursor.next', cursor: {} }, 0],
    [{ op: 'calls.serve', serviceId: 'x', address: 'a' }, 0],
    [{ op: 'calls.serve', serviceId: 1, address: 'a b' }, 0],
    [{ op: 'calls.call', address: 'unserved', message: {} }, 1],
    [{ op: 'calls.call', address: 'unserved', message: { evil: 1 } }, 1],
    [{ op: 'admin.importState', records: [{ kind: 'root' }] }, 0],
    [{ op: 'admin.browse', queue: 'q', limit: 1e9 }, 0],
  ])('%j gets an error, and the connection stays open', async (header, bodies) => {
    await using peer = await RawPeer.welcomed(hub.path);
    const response = await peer.request(
      1,
      header,
      Array.from({ length: bodies }, () => Buffer.from('x')),
    );
    expect(response.type).toBe(FRAME.error);
    expect(response.header['code']).toMatch(/INVALID_ARGUMENT|UNSUPPORTED|NOT_FOUND|NO_RESPONDER/);
    expect((await peer.request(2, { op: 'hub.status' })).type).toBe(FRAME.response);
  });

  test('a body over the limit is refused, a body at the limit is accepted', async () => {
    await using peer = await RawPeer.welcomed(hub.path);
    const send = { op: 'queues.send', queue: 'large', messages: [{}] };
    expect((await peer.request(1, send, [Buffer.alloc(1_048_577)])).header['code']).toBe('PAYLOAD_TOO_LARGE');
    expect((await peer.request(2, send, [Buffer.alloc(1_048_576)])).type).toBe(FRAME.response);
  });

  test('a client that sends too fast is paused, and all its requests are carried out', {
    timeout: 30_000,
  }, async () => {
    await using peer = await RawPeer.welcomed(hub.path);
    const body = Buffer.alloc(100_000);
    const count = 400;
    for (let index = 1; index <= count; index += 1) {
      peer.send(frame(FRAME.request, index, { op: 'queues.send', queue: 'flood', messages: [{}] }, [body]));
    }
    await waitFor(() => peer.frames.filter(({ type }) => type === FRAME.response).length === count, {
      what: 'all responses',
      timeoutMs: 25_000,
    });
    await witness.admin.deleteQueue('flood');
  });

  test('a responder that exceeds its credit ends the call and does not harm the requester', async () => {
    await using server = await RawPeer.welcomed(hub.path);
    await server.request(1, { op: 'calls.serve', serviceId: 5, address: 'evil' });
    const replies: unknown[] = [];
    const calling = (async () => {
      for await (const reply of witness.calls!.call('evil', { body: Buffer.from('?') })) replies.push(reply);
    })();
    const { id } = await server.frame(({ type }) => type === FRAME.call);
    server.send(...Array.from({ length: 500 }, () => frame(FRAME.item, id, {}, [Buffer.from('x')])));
    await expect(calling).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(replies.length).toBeLessThanOrEqual(64);
    server.send(frame(FRAME.item, 12_345, {}), frame(FRAME.response, 12_345, {}));
    expect((await server.request(2, { op: 'hub.status' })).type).toBe(FRAME.response);
  });
});

test('random frames harm no other client', { timeout: 300_000 }, async () => {
  const types = Object.values(FRAME);
  const ops = [
    'queues.send',
    'queues.receive',
    'queues.settle',
    'topics.subscribe',
    'kv.watch',
    'cursor.next',
    'calls.serve',
    'calls.call',
  ];
  const seed = isFull ? Math.floor(Math.random() * 2 ** 32) : 15;
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const values = [null, -1, 1, 1e300, '', 'q', '>', 'x'.repeat(3_000), [], {}, [{}], true, { __proto__: 1 }];
  const chance = (): Uint8Array => {
    const bytes = encodeFrames([
      frame(
        pick(types),
        Math.floor(random() * 20),
        {
          op: pick(ops),
          queue: pick(values),
          messages: pick(values),
          cursor: pick(values),
          pattern: pick(values),
          message: pick(values),
          address: pick(values),
          count: pick(values),
          prefix: 'fuzz',
          waitMs: pick(values),
          max: pick(values),
          serviceId: pick(values),
          settlements: pick(values),
        },
        random() < 0.3 ? [Buffer.from(Array.from({ length: 20 }, () => Math.floor(random() * 256)))] : [],
      ),
    ]);
    // One in four is damaged.
    if (random() < 0.25) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    return bytes;
  };
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < FUZZ_FRAMES) {
      await using peer = await RawPeer.welcomed(hub.path, { ns: 'fuzz' });
      while (!peer.isOver && sent < FUZZ_FRAMES) {
        const batch = Array.from({ length: 20 }, chance);
        sent += batch.length;
        peer.write(Buffer.concat(batch));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect((await hubStatus(`unix:${hub.path}`)).pid, `seed ${seed}`).toBe(hub.child.pid);
});

test('the log contains each reason once, and is limited', () => {
  const lines = hub.child.stderr.split('\n').filter((line) => line.includes('refused'));
  expect(lines.length).toBeGreaterThan(5);
  expect(new Set(lines).size).toBe(lines.length);
  expect(lines.length).toBeLessThanOrEqual(101);
});

test('frames over the limit are refused by their length field', async () => {
  await using peer = await RawPeer.welcomed(hub.path);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(MAX_FRAME_BYTES + 1);
  peer.write(header);
  expect(await peer.refused()).toMatch(/over the limit/);
});
