// A client in JSON, written from docs/protocol.md alone, with the WebSocket of browsers and without the library.
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { localHub } from '../support/local-hub.ts';

interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly header: Record<string, unknown>;
  readonly bodies?: readonly (string | { readonly base64: string })[];
}

/** A minimal client. */
class Page implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Frames other than responses. */
  readonly pushed: Frame[] = [];
  readonly closed: Promise<CloseEvent>;
  readonly #waiting = new Map<number, (frame: Frame) => void>();
  #wake: (() => void) | undefined;
  #lastId = 0;

  constructor(url: string, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols);
    this.closed = new Promise((resolve) => this.socket.addEventListener('close', resolve));
    this.socket.addEventListener('message', ({ data }) => this.#heard(JSON.parse(data)));
  }

  /** Connects and says hello. */
  static async greet(url: string, hello: object = {}, protocols: string[] = []): Promise<Page> {
    const page = new Page(url, protocols);
    await new Promise((resolve) => page.socket.addEventListener('open', resolve));
    page.send({ type: 'hello', header: { version: 1, ...hello } });
    const welcome = await page.next();
    expect(welcome).toMatchObject({ type: 'welcome', header: { version: 1, store: 'memory' } });
    return page;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The response or error of a request. */
  request(op: string, header: object = {}, bodies: unknown[] = []): Promise<Frame> {
    const id = ++this.#lastId;
    this.send({ type: 'request', id, header: { op, ...header }, bodies });
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** The next frame other than a response. */
  async next(): Promise<Frame> {
    for (;;) {
      const frame = this.pushed.shift();
      if (frame !== undefined) return frame;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #heard(frame: Frame): void {
    const { type, id = 0 } = frame;
    const waiting = type === 'response' || type === 'error' ? this.#waiting.get(id) : undefined;
    if (waiting !== undefined) {
      this.#waiting.delete(id);
      waiting(frame);
      return;
    }
    this.pushed.push(frame);
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}

const ANY = 'ws://127.0.0.1:0/bus';
const TOKEN = 'a-token-of-24-characters';

describe('a page that speaks JSON', () => {
  test('sends, receives and settles', async () => {
    await using local = await localHub(ANY);
    await using page = await Page.greet(local.url);
    const sent = await page.request('queues.send', { queue: 'work', messages: [{ type: 'note' }, {}] }, [
      '{"n":1}',
      'two',
    ]);
    expect(sent).toMatchObject({ type: 'response', header: { results: [{ status: 'stored' }, { status: 'stored' }] } });
    const got = await page.request('queues.receive', { queue: 'work', max: 2, waitMs: 1000 });
    expect(got.bodies).toEqual(['{"n":1}', 'two']);
    const deliveries = got.header['deliveries'] as { receipt: string; type?: string; attempt: number }[];
    expect(deliveries).toMatchObject([{ type: 'note', attempt: 1 }, { attempt: 1 }]);
    const settlements = deliveries.map(({ receipt }) => ({ receipt, action: 'ack' }));
    const settled = await page.request('queues.settle', { settlements });
    expect(settled.header['results']).toMatchObject([{ status: 'done' }, { status: 'done' }]);
    const none = await page.request('queues.receive', { queue: 'work' });
    expect(none.header['deliveries']).toEqual([]);
  });

  test('carries binary data as base64 in both directions', async () => {
    await using local = await localHub(ANY);
    await using page = await Page.greet(local.url);
    const bodies = ['', 'naïve 🚌\u0000', '\ufeffmark', { base64: '/wD+' }, { base64: '' }, { base64: 'aGk' }];
    await page.request('queues.send', { queue: 'work', messages: bodies.map(() => ({})) }, bodies);
    const got = await page.request('queues.receive', { queue: 'work', max: 10 });
    expect(got.bodies).toEqual(['', 'naïve 🚌\u0000', '\ufeffmark', { base64: '/wD+' }, '', 'hi']);
  });

  test('publishes, subscribes, and sets values', async () => {
    await using local = await localHub(ANY);
    await using page = await Page.greet(local.url);
    const opened = await page.request('topics.subscribe', { pattern: 'user.*' });
    const cursor = opened.header['cursor'];
    const next = page.request('cursor.next', { cursor, max: 10 });
    await page.request('topics.publish', { topic: 'user.login', messages: [{}] }, ['{"id":7}']);
    const events = await next;
    expect(events.header['events']).toMatchObject([{ topic: 'user.login' }]);
    expect(events.bodies).toEqual(['{"id":7}']);
    const put = await page.request('kv.put', { key: 'lock', ifRevision: 0 }, ['mine']);
    expect(put.header).toMatchObject({ status: 'stored' });
    const conflict = await page.request('kv.put', { key: 'lock', ifRevision: 0 }, ['mine too']);
    expect(conflict).toMatchObject({ header: { status: 'conflict', current: { key: 'lock' } }, bodies: ['mine'] });
    expect((await page.request('kv.get', { key: 'lock' })).bodies).toEqual(['mine']);
  });

  test('calls and serves', async () => {
    await using local = await localHub(ANY);
    await using server = await Page.greet(local.url);
    await using client = await Page.greet(local.url);
    await server.request('calls.serve', { serviceId: 1, address: 'auth', max: 4 });
    const response = client.request('calls.call', { address: 'auth', message: { id: 'm1' } }, ['token?']);
    const call = await server.next();
    expect(call).toMatchObject({ type: 'call', header: { serviceId: 1 }, bodies: ['token?'] });
    server.send({ type: 'item', id: call.id, header: { id: 'r1' }, bodies: ['valid'] });
    server.send({ type: 'response', id: call.id });
    expect(await client.next()).toMatchObject({ type: 'item', bodies: ['valid'] });
    expect((await response).type).toBe('response');
    const refused = await client.request('calls.call', { address: 'unserved', message: { id: 'm2' } }, ['']);
    expect(refused).toMatchObject({ type: 'error', header: { code: 'NO_RESPONDER' } });
  });

  test('receives an error for an illegal request and continues', async () => {
    await using local = await localHub(ANY);
    await using page = await Page.greet(local.url);
    const wrong = async (op: string, header: object, bodies: unknown[] = []): Promise<unknown> =>
      (await page.request(op, header, bodies)).header['code'];
    expect(await wrong('no.such', {})).toBe('UNSUPPORTED');
    expect(await wrong('queues.send', { queue: 'bad name', messages: [{}] }, [''])).toBe('INVALID_ARGUMENT');
    expect(await wrong('queues.send', { queue: 'q', messages: 7 })).toBe('INVALID_ARGUMENT');
    expect((await page.request('queues.send', { queue: 'q', messages: [{}] }, ['x'])).type).toBe('response');
  });

  test('stays connected while it answers pings, as browsers do', async () => {
    await using local = await localHub(ANY);
    await using page = await Page.greet(local.url, { heartbeatMs: 100 });
    // Longer than a silent peer stays connected.
    const waited = await page.request('queues.receive', { queue: 'work', waitMs: 1_000 });
    expect(waited.type).toBe('response');
    page.send({ type: 'ping' });
    expect(await page.next()).toMatchObject({ type: 'pong' });
  });

  test('with the token of one agent cannot send as another', async () => {
    await using local = await localHub(ANY, [{ token: TOKEN, agent: '@mine' }]);
    await using page = await Page.greet(local.url, { agent: '@mine' }, ['busbar', `busbar.token.${TOKEN}`]);
    const other = await page.request('queues.send', { queue: 'q', messages: [{ from: '@other' }] }, ['x']);
    expect(other).toMatchObject({ type: 'error', header: { code: 'PERMISSION_DENIED' } });
    await page.request('queues.send', { queue: 'q', messages: [{}] }, ['x']);
    const got = await page.request('queues.receive', { queue: 'q' });
    expect(got.header['deliveries']).toMatchObject([{ from: '@mine' }]);
  });

  test.each([
    ['no JSON', 'hello'],
    ['no object', '[]'],
    ['null', 'null'],
    ['no type', '{}'],
    ['an unknown type', '{"type":"toString"}'],
    ['a number for a type', '{"type":1}'],
    ['an illegal header', '{"type":"hello","header":[]}'],
    ['a negative id', '{"type":"hello","id":-1,"header":{"version":1}}'],
    ['a huge id', '{"type":"hello","id":4294967296,"header":{"version":1}}'],
    ['an unknown key', '{"type":"hello","body":"x"}'],
    ['bodies that are no list', '{"type":"hello","bodies":"x"}'],
    ['a body that is null', '{"type":"hello","bodies":[null]}'],
    ['a body that is a number', '{"type":"hello","bodies":[1]}'],
    ['half a character', '{"type":"hello","bodies":["\\ud800"]}'],
    ['bad base64', '{"type":"hello","bodies":[{"base64":"a*b"}]}'],
    ['a request before hello', '{"type":"request","id":1,"header":{"op":"queues.send"}}'],
    ['a frame that only hubs send', '{"type":"welcome"}'],
  ])('is disconnected for %s with the reason', async (_what, text) => {
    await using local = await localHub(ANY);
    const page = new Page(local.url);
    await new Promise((resolve) => page.socket.addEventListener('open', resolve));
    page.send(text);
    const goodbye = await page.next();
    expect(goodbye).toMatchObject({ type: 'goaway', header: { code: 'INVALID_ARGUMENT' } });
    const { code, reason } = await page.closed;
    expect(code).toBe(1002);
    expect(reason).toBe(goodbye.header['reason']);
    await waitFor(() => local.log.length === 1, { what: 'one line in the log' });
  });

  test('cannot change to the binary form or send too large a message', async () => {
    await using local = await localHub(ANY);
    await using mixed = await Page.greet(local.url);
    mixed.socket.send(new Uint8Array(20));
    expect((await mixed.closed).code).toBe(1002);
    await using large = await Page.greet(local.url);
    large.send({ type: 'request', id: 1, header: { op: 'queues.send' }, bodies: ['x'.repeat(4_300_000)] });
    expect((await large.closed).code).toBe(1009);
  });

  test('receives a goaway when the hub ends', async () => {
    const local = await localHub(ANY);
    const page = await Page.greet(local.url);
    await local.hub.close();
    const { code, reason } = await page.closed;
    expect([code, reason]).toEqual([1001, 'the hub ends']);
  });
});
