// Rights: every operation of the protocol, tried with a token for all agents, a token of one agent, and without a token.
import { readFileSync, writeFileSync } from 'node:fs';
import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { FRAME, frame, type Header } from '@busbar/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operationNames } from '../../src/hub/operations/operation-table.ts';
import { AGENT_RULES } from '../../src/hub/rights/agent-rights.ts';
import { openSocket } from '../../src/index.ts';
import { type InProcessHub, localHub } from '../support/local-hub.ts';
import { RawPeer } from '../support/raw-peer.ts';

const ALL = 'a-token-for-all-agents';
const BOB = 'a-token-of-bob-alone-1';
const EVE = 'a-token-of-eve-alone-1';
const PROTOCOL = readFileSync(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8');

const folder = tempDir('busbar-rights');
const path = folder.join('hub.sock');
let hub: InProcessHub;
let boss: RawPeer;
let bob: RawPeer;
let lastId = 0;

beforeAll(async () => {
  hub = await localHub(`unix:${path}`, [{ token: ALL }, { token: BOB, agent: '@bob' }, { token: EVE, agent: '@eve' }]);
  boss = await RawPeer.welcomed(path, { token: ALL });
  bob = await RawPeer.welcomed(path, { token: BOB });
});

afterAll(async () => {
  await boss[Symbol.asyncDispose]();
  await bob[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const x = Buffer.from('x');

async function ask(peer: RawPeer, header: Header, bodies: readonly Uint8Array[] = []): Promise<Header> {
  lastId += 1;
  const response = await peer.request(lastId, header, bodies);
  return response.type === FRAME.error ? { code: response.header['code'] } : response.header;
}

async function lockOf(peer: RawPeer, key: string): Promise<Header> {
  await ask(boss, { op: 'kv.delete', key });
  return ask(peer, { op: 'kv.put', key, ttlMs: 60_000, ifRevision: 0 }, [json({ owner: 'o', nonce: `${lastId}` })]);
}

async function receiptOf(peer: RawPeer, queue: string): Promise<string> {
  await ask(boss, { op: 'queues.send', queue, messages: [{}] }, [x]);
  const { deliveries } = await ask(peer, { op: 'queues.receive', queue });
  return (deliveries as Header[])[0]!['receipt'] as string;
}

async function idFrom(peer: RawPeer, queue: string): Promise<string> {
  const { results } = await ask(peer, { op: 'queues.send', queue, messages: [{ delayMs: 60_000 }] }, [x]);
  return (results as Header[])[0]!['id'] as string;
}

/** One cell of the table: a request, and whether the token of @bob allows it. */
interface Cell {
  readonly op: string;
  readonly agent: 'allowed' | 'refused';
  readonly header?: Header | (() => Promise<Header>);
  readonly bodies?: readonly Uint8Array[];
}

const message = { messages: [{}] };
const foreign = { messages: [{ from: '@boss' }] };
const cell = (
  op: string,
  agent: Cell['agent'],
  header: Cell['header'] = {},
  bodies: readonly Uint8Array[] = [],
): Cell => ({
  op,
  agent,
  header,
  bodies,
});

const CELLS: readonly Cell[] = [
  cell('queues.send', 'allowed', { queue: 'jobs', ...message }, [x]),
  cell('queues.send', 'allowed', { queue: '$inbox.@boss', ...message }, [x]),
  cell('queues.send', 'allowed', { queue: '$reply.of-boss', ...message }, [x]),
  cell('queues.send', 'refused', { queue: '$sub.audit', ...message }, [x]),
  cell('queues.send', 'refused', { queue: '$call.@boss', ...message }, [x]),
  cell('queues.send', 'refused', { queue: 'jobs', ...foreign }, [x]),
  cell('queues.receive', 'allowed', { queue: 'jobs' }),
  cell('queues.receive', 'allowed', { queue: '$inbox.@bob' }),
  cell('queues.receive', 'allowed', { queue: '$sub.audit' }),
  cell('queues.receive', 'allowed', { queue: '$reply.of-bob' }),
  cell('queues.receive', 'refused', { queue: '$inbox.@boss' }),
  cell('queues.receive', 'refused', { queue: '$inbox.@bobby' }),
  cell('queues.receive', 'refused', { queue: '$inbox.@bob.sub' }),
  cell('queues.receive', 'refused', { queue: '$call.@boss' }),
  cell('queues.receive', 'refused', async () => {
    await ask(boss, { op: 'queues.configure', queue: '$reply.of-boss' });
    return { queue: '$reply.of-boss' };
  }),
  cell('queues.settle', 'allowed', async () => ({
    settlements: [{ receipt: await receiptOf(bob, 'mine'), action: 'ack' }],
  })),
  cell('queues.settle', 'refused', async () => ({
    settlements: [{ receipt: await receiptOf(boss, 'theirs'), action: 'ack' }],
  })),
  cell(
    'queues.settle',
    'allowed',
    async () => ({
      settlements: [{ receipt: await receiptOf(bob, 'mine'), action: 'ack', entry: { key: '$task/jobs#1' } }],
    }),
    [json({})],
  ),
  cell(
    'queues.settle',
    'refused',
    async () => ({
      settlements: [{ receipt: await receiptOf(bob, 'mine'), action: 'ack', entry: { key: '$agent/@bob' } }],
    }),
    [json({})],
  ),
  cell('queues.settle', 'refused', async () => {
    const forged = (await receiptOf(bob, 'mine')).split('~')[1];
    return { settlements: [{ receipt: `${await receiptOf(boss, 'theirs')}~${forged}`, action: 'ack' }] };
  }),
  cell('queues.settle', 'refused', async () => {
    await using eve = await RawPeer.welcomed(path, { token: EVE });
    return { settlements: [{ receipt: await receiptOf(eve, 'theirs'), action: 'reject' }] };
  }),
  cell('queues.configure', 'allowed', { queue: '$inbox.@bob', settings: { maxLength: 9 } }),
  cell('queues.configure', 'allowed', { queue: 'jobs', settings: { leaseMs: 60_000, maxAttempts: 3 } }),
  cell('queues.configure', 'allowed', { queue: '$reply.new-of-bob', settings: { expireIdleMs: 60_000 } }),
  cell('queues.configure', 'refused', { queue: '$inbox.@boss', settings: { leaseMs: 60_000 } }),
  cell('queues.configure', 'refused', { queue: 'cold', settings: { frozen: true } }),
  cell('queues.configure', 'refused', { queue: '$sub.audit', settings: { expireIdleMs: 1_000 } }),
  cell('topics.publish', 'allowed', { topic: 'news.today', ...message }, [x]),
  cell('topics.publish', 'refused', { topic: 'news.today', ...foreign }, [x]),
  cell('topics.publish', 'refused', { topic: 'news.today', ephemeral: true, ...foreign }, [x]),
  cell('topics.publish', 'refused', { topic: '$system.x', ...message }, [x]),
  cell('topics.subscribe', 'allowed', { pattern: 'news.*' }),
  cell('topics.subscribe', 'refused', { pattern: '$system.>' }),
  cell('topics.bind', 'allowed', { queue: '$sub.audit', pattern: 'news.*' }),
  cell('topics.bind', 'allowed', { queue: '$inbox.@bob', pattern: 'news.*' }),
  cell('topics.bind', 'refused', { queue: '$inbox.@boss', pattern: 'news.*' }),
  cell('topics.bind', 'refused', { queue: 'jobs', pattern: 'news.*' }),
  cell('topics.unbind', 'allowed', { queue: '$sub.audit', pattern: 'news.*' }),
  cell('topics.unbind', 'refused', { queue: '$inbox.@boss', pattern: 'news.*' }),
  cell('kv.get', 'allowed', { key: '$agent/@boss' }),
  cell('kv.get', 'allowed', { key: '$hook/@bob/session' }),
  cell('kv.get', 'refused', { key: 'secret' }),
  cell('kv.list', 'allowed', { prefix: '$live/' }),
  cell('kv.list', 'refused', { prefix: '' }),
  cell('kv.list', 'refused', { prefix: '$' }),
  cell('kv.watch', 'allowed', { prefix: '$lock/door' }),
  cell('kv.watch', 'refused', { prefix: '$' }),
  cell('kv.put', 'allowed', { key: '$agent/@bob' }, [json({ name: '@bob' })]),
  cell('kv.put', 'allowed', { key: '$live/@bob/instance', ttlMs: 60_000 }, [json({})]),
  cell('kv.put', 'allowed', { key: '$log/@bob/instance' }, [json({})]),
  cell('kv.put', 'allowed', { key: '$hook/@bob/session' }, [json([])]),
  cell('kv.put', 'allowed', { key: '$task/jobs#1' }, [json({})]),
  cell('kv.put', 'allowed', { key: '$lock/free', ifRevision: 0 }, [json({ owner: 'bob' })]),
  cell('kv.put', 'refused', { key: '$agent/@bob' }, [json({ name: '@boss' })]),
  cell('kv.put', 'refused', { key: '$agent/@boss' }, [json({ name: '@boss' })]),
  cell('kv.put', 'refused', { key: '$live/@boss/instance' }, [json({})]),
  cell('kv.put', 'refused', { key: '$live/@bob/sub/instance' }, [json({})]),
  cell('kv.put', 'refused', { key: '$live/@bob' }, [json({})]),
  cell('kv.put', 'refused', { key: '$log/@boss/instance' }, [json({})]),
  cell('kv.put', 'refused', { key: '$hook/@boss/session' }, [json([])]),
  cell('kv.put', 'refused', { key: 'config' }, [x]),
  cell('kv.put', 'refused', { key: '$lock/text', ifRevision: 0 }, [x]),
  cell(
    'kv.put',
    'refused',
    async () => {
      await lockOf(boss, '$lock/held');
      return { key: '$lock/held' };
    },
    [json({ agent: '@boss' })],
  ),
  cell(
    'kv.put',
    'refused',
    async () => ({
      key: '$lock/held',
      ifRevision: (await lockOf(boss, '$lock/held'))['revision'],
    }),
    [json({ agent: '@bob' })],
  ),
  cell('kv.touch', 'allowed', { touches: [{ key: '$live/@bob/instance', ttlMs: 60_000 }] }),
  cell('kv.touch', 'allowed', async () => {
    const { createRevision } = await lockOf(bob, '$lock/own');
    return { touches: [{ key: '$lock/own', ttlMs: 60_000, createRevision }] };
  }),
  cell('kv.touch', 'refused', { touches: [{ key: '$live/@boss/instance', ttlMs: 60_000 }] }),
  cell('kv.touch', 'refused', async () => {
    const { createRevision } = await lockOf(boss, '$lock/held');
    return { touches: [{ key: '$lock/held', ttlMs: 1, createRevision }] };
  }),
  cell('kv.touch', 'refused', async () => {
    await lockOf(boss, '$sem/pool/0');
    return { touches: [{ key: '$sem/pool/0', ttlMs: 1 }] };
  }),
  cell('kv.delete', 'allowed', { key: '$live/@bob/instance' }),
  cell('kv.delete', 'allowed', async () => ({
    key: '$lock/own',
    ifRevision: (await lockOf(bob, '$lock/own'))['revision'],
  })),
  cell('kv.delete', 'refused', { key: '$live/@boss/instance' }),
  cell('kv.delete', 'refused', { key: '$agent/@boss' }),
  cell('kv.delete', 'refused', async () => {
    await lockOf(boss, '$lock/held');
    return { key: '$lock/held' };
  }),
  cell('kv.delete', 'refused', async () => ({
    key: '$lock/held',
    ifRevision: (await lockOf(boss, '$lock/held'))['revision'],
  })),
  cell('cursor.next', 'allowed', { cursor: 987_654 }),
  cell('cursor.close', 'allowed', { cursor: 987_654 }),
  cell('calls.serve', 'allowed', { serviceId: 1, address: '$call.@bob' }),
  cell('calls.serve', 'refused', { serviceId: 2, address: '$call.@boss' }),
  cell('calls.serve', 'refused', { serviceId: 2, address: 'clock' }),
  cell('calls.unserve', 'allowed', { serviceId: 1 }),
  cell('calls.call', 'allowed', { address: '$call.@nobody', message: {} }, [x]),
  cell('calls.call', 'refused', { address: '$call.@nobody', message: { from: '@boss' } }, [x]),
  cell('admin.queues', 'allowed', { names: ['$inbox.@boss'] }),
  cell('admin.queues', 'refused', {}),
  cell('admin.queues', 'refused', { prefix: '$reply.' }),
  cell('admin.topics', 'refused'),
  cell('admin.bindings', 'refused'),
  cell('admin.browse', 'allowed', { queue: '$inbox.@bob' }),
  cell('admin.browse', 'allowed', { queue: 'jobs' }),
  cell('admin.browse', 'allowed', { queue: '$inbox.@boss', ids: ['1'] }),
  cell('admin.browse', 'refused', { queue: '$inbox.@boss' }),
  cell('admin.browse', 'refused', { queue: '$reply.of-boss' }),
  cell('admin.redrive', 'allowed', { queue: '$inbox.@bob' }),
  cell('admin.redrive', 'refused', { queue: '$inbox.@boss' }),
  cell('admin.redrive', 'refused', { queue: 'jobs' }),
  cell('admin.purge', 'allowed', { queue: '$inbox.@bob', state: 'dead' }),
  cell('admin.purge', 'refused', { queue: '$inbox.@boss', state: 'ready' }),
  cell('admin.purge', 'refused', { queue: 'jobs', state: 'ready' }),
  cell('admin.cancel', 'allowed', async () => ({ queue: 'jobs', ids: [await idFrom(bob, 'jobs')] })),
  cell('admin.cancel', 'refused', async () => ({ queue: 'jobs', ids: [await idFrom(boss, 'jobs')] })),
  cell('admin.cancel', 'refused', { queue: '$call.@boss', ids: ['1'] }),
  cell('admin.reschedule', 'allowed', async () => ({
    queue: 'jobs',
    ids: [await idFrom(bob, 'jobs')],
    delayMs: 9_999,
  })),
  cell('admin.reschedule', 'refused', async () => ({ queue: 'jobs', ids: [await idFrom(boss, 'jobs')], delayMs: 0 })),
  cell('admin.deleteQueue', 'allowed', { queue: '$reply.new-of-bob' }),
  cell('admin.deleteQueue', 'refused', { queue: '$inbox.@boss' }),
  cell('admin.deleteQueue', 'refused', { queue: '$reply.of-boss' }),
  cell('admin.deleteQueue', 'refused', { queue: 'jobs' }),
  cell('admin.exportState', 'refused'),
  cell('admin.importState', 'refused', { records: [] }),
  cell('admin.gate', 'allowed'),
  cell('admin.setGate', 'refused', { state: 'open', ifRevision: 0 }),
  cell('hub.status', 'allowed'),
  cell('hub.stop', 'refused'),
  // Last: it deletes what the cells above have stored.
  cell('admin.clear', 'refused'),
];

/** These end the hub, or what the other cells need. */
const NOT_TRIED_BY_ALL = new Set(['hub.stop']);

test('every operation has a rule, a line in the documents, and a cell for each answer', () => {
  const names = operationNames().toSorted();
  expect(Object.keys(AGENT_RULES).toSorted()).toEqual(names);
  const [, rights = ''] = /## Rights\n(.*?)\n## /s.exec(PROTOCOL) ?? [];
  const listed = [...rights.matchAll(/`((?:queues|topics|kv|cursor|calls|admin|hub)\.[A-Za-z]+)`(?= [·|])/g)];
  expect(listed.map(([, name]) => name).toSorted()).toEqual(names);
  expect([...new Set(CELLS.map(({ op }) => op))].toSorted()).toEqual(names);
});

describe.each(CELLS)('$op $header', ({ op, agent, header = {}, bodies }) => {
  const complete = async (): Promise<Header> => ({ op, ...(typeof header === 'function' ? await header() : header) });
  const codeOf = async (peer: RawPeer): Promise<unknown> => (await ask(peer, await complete(), bodies))['code'];

  test(`is ${agent} with the token of one agent`, async () => {
    const code = await codeOf(bob);
    if (agent === 'refused') expect(code).toBe('PERMISSION_DENIED');
    else expect(code).not.toBe('PERMISSION_DENIED');
  });

  test.skipIf(NOT_TRIED_BY_ALL.has(op))('is allowed with a token for all agents', async () => {
    expect(await codeOf(boss)).not.toBe('PERMISSION_DENIED');
  });
});

test('without a token, hello is refused, and a request before it ends the connection', async () => {
  await using silent = new RawPeer(path);
  silent.send(frame(FRAME.hello, 0, { version: 1 }));
  expect(await silent.refused()).toMatch(/requires a token/);
  for (const op of operationNames()) {
    await using peer = new RawPeer(path);
    peer.send(frame(FRAME.request, 1, { op }));
    expect(await peer.refused()).toMatch(/before the welcome/);
  }
});

test('in the inbox of another agent a browse shows only what the agent sent', async () => {
  const queue = '$inbox.@alice';
  const ids = [await idFrom(bob, queue), await idFrom(boss, queue)];
  const { messages } = await ask(bob, { op: 'admin.browse', queue, ids });
  expect((messages as { message: Header }[]).map((each) => each.message['id'])).toEqual([ids[0]]);
});

test('a reply of a call cannot come from another agent', async () => {
  await ask(bob, { op: 'calls.serve', serviceId: 9, address: '$call.@bob' });
  lastId += 1;
  const calling = boss.request(lastId, { op: 'calls.call', address: '$call.@bob', message: {} }, [x]);
  const { id } = await bob.frame(({ type }) => type === FRAME.call);
  bob.send(frame(FRAME.item, id, { from: '@boss' }, [x]));
  expect((await calling).header['code']).toBe('PERMISSION_DENIED');
});

test('texts of peers are one printable line of the log each', async () => {
  const before = hub.log.length;
  await using peer = new RawPeer(path);
  const ns = 'x\u001b[31m\nbusbar: refused nothing\u009b2J\u202e';
  peer.send(frame(FRAME.hello, 0, { version: 1, token: ALL, ns }));
  await peer.refused();
  const [line = ''] = hub.log.slice(before);
  expect(line).toMatch(/ns is illegal/);
  expect(line).toContain('\\u{9b}');
  expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
});

test('a client that names its agent in hello imports no message of another', async () => {
  await using named = await RawPeer.welcomed(path, { token: ALL, agent: '@named' });
  const record = (from: string): Header => ({
    kind: 'message',
    queue: '$inbox.@victim',
    message: {
      message: { id: from, from, contentType: 'text/plain', headers: {}, priority: 4, hops: 0, sentAt: 1 },
      state: 'ready',
      attempts: 0,
      history: [],
    },
  });
  const code = async (from: string): Promise<unknown> =>
    (await ask(named, { op: 'admin.importState', records: [record(from)] }))['code'];
  expect(await code('@boss')).toBe('PERMISSION_DENIED');
  expect(await code('@named')).not.toBe('PERMISSION_DENIED');
});

describe('an agent with its token', () => {
  test('does what an agent does', async () => {
    await using all = await localHub('ws://127.0.0.1:0/bus', [{ token: ALL }, { token: BOB, agent: '@bob' }]);
    const open = async (token: string): Promise<Transport> => {
      const file = folder.join(`${token}.token`);
      writeFileSync(file, token, { mode: 0o600 });
      return openSocket(`${all.url}?tokenFile=${file}`);
    };
    const errors: unknown[] = [];
    await using own = openBus(await open(BOB), {
      ownsTransport: true,
      onError: ({ error }) => void errors.push(error),
    });
    await using other = openBus(await open(ALL), { ownsTransport: true });
    const agent = await own.agent('@bob');
    const peer = await other.agent('@peer');
    const seen: unknown[] = [];
    agent.handle('note', ({ body }) => void seen.push(body));
    agent.handle('echo', ({ body }) => body);
    peer.handle('echo', ({ body }) => body);
    await own.subscribe('news.*', ({ body }) => void seen.push(body), { durableName: 'audit' });
    await own.process('jobs', ({ body }) => body, { leaseMs: 60_000 });
    await peer.send('@bob', 'note', 'mail');
    await peer.publish('news.today', 'event');
    expect(await (await peer.enqueue('jobs', 'task')).result()).toBe('task');
    expect(await peer.request('@bob', 'echo', 1)).toBe(1);
    expect(await agent.request('@peer', 'echo', 2)).toBe(2);
    expect(await agent.request('@peer', 'echo', 3, { durable: true })).toBe(3);
    const lock = await own.lock('door');
    await lock.extend();
    await lock.release();
    expect((await own.agents({ online: true })).map(({ name }) => name)).toEqual(['@bob', '@peer']);
    await expect.poll(() => seen.toSorted()).toEqual(['event', 'mail']);
    const own2 = await own.enqueue('later', 'x', { delayMs: 60_000 });
    expect(await own2.cancel()).toBe(true);
    expect(errors).toEqual([]);
  });
});
