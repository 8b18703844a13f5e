/** What `openTransport` does for every driver, tested on a driver that does almost nothing. */

import {
  type Driver,
  Listeners,
  openTransport,
  unsupportedFacet,
  WaitingReceives,
  WorkFailures,
} from '@busbar/api/driver';
import {
  BusbarError,
  type Capabilities,
  type Delivery,
  type Features,
  type StateChange,
  type StoreReset,
  type Transport,
} from '@busbar/api/transport';
import { expect, onTestFinished, test, vi } from 'vitest';

const capabilities: Capabilities = {
  durability: 'none',
  reach: 'process',
  features: {
    calls: false,
    orderingKeys: true,
    portableReceipts: true,
    staleSettleRefused: true,
    atomicMove: true,
    exactLimit: true,
    retryKeepsPlace: true,
    dedupeSurvivesRestart: true,
    comparablePositions: true,
    monotonicClock: true,
    cancel: false,
    exportState: false,
    gate: false,
    idleExit: true,
  },
  reasons: { cancel: 'it is a stub' },
  lease: 'timed',
  priorityLevels: 10,
  attemptLossMs: 0,
  settleLossMs: 0,
  granularityMs: 1,
  reclaimMs: 1000,
  maxBodyBytes: 524_288,
  retention: { maxAgeMs: 1, maxEvents: 1, maxBytes: 1 },
};

interface Overrides {
  readonly queues?: Partial<Driver['queues']>;
  readonly topics?: Partial<Driver['topics']>;
  readonly admin?: Partial<Driver['admin']>;
  readonly calls?: Partial<Driver['calls']>;
  readonly capabilities?: Capabilities;
  readonly close?: () => Promise<void>;
  readonly onFailure?: Driver['onFailure'];
  readonly onState?: Driver['onState'];
  readonly onReset?: Driver['onReset'];
  readonly callTimeoutMs?: number;
}

function declaring(features: Partial<Features>): Capabilities {
  return { ...capabilities, features: { ...capabilities.features, ...features } };
}

function open({ callTimeoutMs, ...overrides }: Overrides): Transport {
  const driver = {
    name: 'stub',
    capabilities,
    topics: {},
    entries: {},
    admin: {},
    close: async () => {},
    ...overrides,
    queues: { ...unsupportedFacet('queues'), ...overrides.queues },
  };
  return openTransport(driver as unknown as Driver, { callTimeoutMs });
}

test('failures of background work are passed on until the transport closes; what the close ends is none', async () => {
  const failures = new WorkFailures(['UNAVAILABLE']);
  const transport = open({ onFailure: (listener) => failures.listen(listener) });
  const heard: string[] = [];
  const stop = transport.onFailure(({ work, error }) => heard.push(`${work} ${error.code} of ${error.transport}`));
  for (const code of ['UNAVAILABLE', 'CLOSED', 'INTERNAL'] as const)
    failures.report('maintenance', new BusbarError(code, 'it failed'));
  stop();
  failures.report('maintenance', new Error('it failed'));
  transport.onFailure(({ work }) => heard.push(work));
  await transport.close();
  failures.report('maintenance', new Error('it failed'));
  expect(heard).toEqual(['maintenance INTERNAL of stub']);
});

test('a listener that throws or rejects is a failure of its transport, or a warning, and the others are called', async () => {
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const [states, resets] = [new Listeners<StateChange>(() => undefined), new Listeners<StoreReset>(() => undefined)];
  const transport = open({ onState: (listener) => states.add(listener), onReset: (listener) => resets.add(listener) });
  const heard: string[] = [];
  const fail = (): never => {
    throw new Error('it threw');
  };
  const reject = async (): Promise<void> => {
    throw Object.assign(new Error('it rejected'));
  };
  for (const listener of [fail, reject, ({ state }: StateChange) => void heard.push(state)])
    transport.onState(listener);
  for (const listener of [fail, reject, ({ cause }: StoreReset) => void heard.push(cause)]) transport.onReset(listener);
  states.call({ state: 'reconnecting' });
  await expect.poll(() => warnings.mock.calls.length).toBe(2);
  const stop = transport.onFailure(({ work, error }) => heard.push(`${work}: ${error.message}`));
  resets.call({ cause: 'replaced' });
  await expect.poll(() => heard.length).toBe(4);
  stop();
  transport.onFailure(reject);
  resets.call({ cause: 'damaged' });
  await expect.poll(() => warnings.mock.calls.length).toBe(4);
  expect(heard).toEqual(['reconnecting', 'listener: it threw', 'replaced', 'listener: it rejected', 'damaged']);
  expect(warnings.mock.calls[0]).toEqual(['a listener of the transport stub failed: Error: it threw', 'BusbarWarning']);
  for (const on of [transport.onState, transport.onReset, transport.onFailure])
    expect(() => on.call(transport, function* () {} as never)).toThrow('generator');
  await transport.close();
  expect(rejections).toEqual([]);
});

const delivery = { receipt: 'r1', leaseLeftMs: 60_000 } as Delivery;

test('a call that takes too long rejects with TIMEOUT, its outcome unknown', async () => {
  await using transport = open({
    queues: {
      send: (_queue, _messages, _create, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    },
  });
  const error = await transport.queues.send('q', [{ body: new Uint8Array() }], { timeoutMs: 10 }).catch((e) => e);
  expect(error).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', operation: 'queues.send', transport: 'stub' });
});

test('a call without a time-out has that of its transport', async () => {
  const send = (_queue: string, _messages: unknown, _create: unknown, { signal }: { readonly signal: AbortSignal }) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  await using transport = open({ queues: { send }, callTimeoutMs: 10 });
  const sent = transport.queues.send('q', [{ body: new Uint8Array() }]);
  await expect(sent).rejects.toMatchObject({ code: 'TIMEOUT' });
  await using waiting = open({ queues: { receive: () => new Promise(() => undefined) }, callTimeoutMs: 10 });
  await expect(waiting.queues.receive('q', { waitMs: 10 })).rejects.toMatchObject({ code: 'TIMEOUT' });
});

test('messages that an aborted receive has claimed are released', async () => {
  const settled: unknown[] = [];
  const claimed = Promise.withResolvers<Delivery[]>();
  const transport = open({
    queues: {
      receive: () => claimed.promise,
      settle: async (settlements) => {
        settled.push(...settlements);
        return settlements.map(({ receipt }) => ({ receipt, status: 'done' as const }));
      },
    },
  });
  const controller = new AbortController();
  const received = transport.queues.receive('q', { waitMs: Number.POSITIVE_INFINITY, signal: controller.signal });
  controller.abort();
  await expect(received).rejects.toMatchObject({ code: 'ABORTED' });
  claimed.resolve([delivery]);
  await transport.close();
  expect(settled).toEqual([{ receipt: 'r1', action: 'release' }]);
});

test('closing ends waits with CLOSED, releases leases once, and is idempotent', async () => {
  let closes = 0;
  const released: string[] = [];
  const transport = open({
    queues: {
      receive: (_queue, { waitMs }, context) =>
        waitMs === 0
          ? Promise.resolve([delivery])
          : new Promise((resolve) => context.signal.addEventListener('abort', () => resolve([]))),
      settle: async (settlements) => {
        released.push(...settlements.map(({ action }) => action));
        return settlements.map(({ receipt }) => ({ receipt, status: 'done' as const }));
      },
    },
    close: async () => {
      closes += 1;
    },
  });
  await transport.queues.receive('q');
  const waiting = transport.queues.receive('q', { waitMs: Number.POSITIVE_INFINITY });
  const states: string[] = [];
  transport.onState(({ state }) => states.push(state));
  const first = transport.close();
  expect(transport.close()).toBe(first);
  await expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
  await first;
  expect({ closes, released, states, state: transport.state }).toEqual({
    closes: 1,
    released: ['release'],
    states: ['closing', 'closed'],
    state: 'closed',
  });
  await expect(transport.queues.receive('q')).rejects.toMatchObject({ code: 'CLOSED' });
});

test('a batch is checked before any effect, and copied', async () => {
  const bodies: number[][] = [];
  await using transport = open({
    queues: {
      send: async (_queue, messages) => {
        await Promise.resolve();
        bodies.push(...messages.map(({ body }) => [...body]));
        return messages.map(({ id }) => ({ id, status: 'stored' as const }));
      },
    },
  });
  const body = new Uint8Array([1, 2]);
  const bad = { body, priority: 11 };
  await expect(transport.queues.send('q', [{ body }, bad])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const sent = transport.queues.send('q', [{ body }]);
  body.fill(9);
  await sent;
  expect(bodies).toEqual([[1, 2]]);
});

test('a feature that is declared missing is refused, with the reason as the hint', async () => {
  await using transport = open({});
  await expect(transport.admin.cancel('q', ['x'])).rejects.toMatchObject({ code: 'UNSUPPORTED', hint: 'it is a stub' });
  expect(transport.calls).toBeUndefined();
});

test('unknown options are refused, with the legal ones in the hint', async () => {
  await using transport = open({});
  const options = { maxx: 1 } as object;
  await expect(transport.queues.receive('q', options)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    hint: expect.stringContaining('max'),
  });
});

test('ordering keys are refused, and nothing is stored, if they are declared missing', async () => {
  let calls = 0;
  const stored = async (): Promise<[]> => {
    calls += 1;
    return [];
  };
  const lacking = { ...declaring({ orderingKeys: false }), reasons: { orderingKeys: 'one consumer only' } };
  await using transport = open({ queues: { send: stored }, topics: { publish: stored }, capabilities: lacking });
  const batch = [{ body: new Uint8Array() }, { body: new Uint8Array(), orderingKey: 'k' }];
  const refusal = { code: 'UNSUPPORTED', hint: 'one consumer only' };
  await expect(transport.queues.send('q', batch)).rejects.toMatchObject({ ...refusal, operation: 'queues.send' });
  await expect(transport.topics.publish('t', batch)).rejects.toMatchObject({ ...refusal, operation: 'topics.publish' });
  expect(calls).toBe(0);
  await transport.queues.send('q', batch.slice(0, 1));
  expect(calls).toBe(1);
});

test('methods of a feature that is declared missing may be absent, and are refused', async () => {
  await using transport = open({});
  const { admin } = transport;
  await expect(admin.reschedule('q', ['x'], 0)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await expect(admin.importState([])).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await expect(admin.exportState()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('a driver that declares a feature without its methods is a TypeError', () => {
  expect(() => open({ capabilities: declaring({ cancel: true }) })).toThrow(
    new TypeError('the driver stub declares cancel, and its admin has no method cancel'),
  );
  const admin = { exportState: async function* () {} };
  expect(() => open({ admin, capabilities: declaring({ exportState: true }) })).toThrow(/no method importState/);
  expect(() => open({ capabilities: declaring({ calls: true }) })).toThrow(/declares calls and has none/);
  const queues = { receive: async () => [], claim: undefined, waiting: new WaitingReceives() } as object;
  expect(() => open({ queues })).toThrow(/has queues.waiting, and its queues have no method claim/);
});

test('a facet that is half written refuses the methods that are missing', async () => {
  const driver: Driver = {
    name: 'begun',
    capabilities,
    queues: { ...unsupportedFacet('queues'), send: async () => [] },
    topics: unsupportedFacet('topics'),
    kv: unsupportedFacet('kv'),
    admin: unsupportedFacet('admin'),
    close: async () => {},
  };
  await using transport = openTransport(driver);
  const { queues, topics, kv, admin } = transport;
  await expect(queues.send('q', [])).resolves.toEqual([]);
  const refusal = { code: 'UNSUPPORTED', transport: 'begun', outcome: 'failed' };
  await expect(queues.receive('q')).rejects.toMatchObject({ ...refusal, operation: 'queues.receive' });
  await expect(topics.subscribe('t', {}, () => {})).rejects.toMatchObject(refusal);
  await expect(kv.watch('', () => {})).rejects.toMatchObject({ ...refusal, operation: 'kv.watch' });
  await expect(admin.clear()).rejects.toMatchObject({ ...refusal, operation: 'admin.clear' });
});

test('the skeleton of the guide opens, and refuses receive, cancel and the state', async () => {
  await using transport = openTransport({
    name: 'skeleton',
    capabilities: declaring({ cancel: true, exportState: true }),
    queues: { ...unsupportedFacet('queues'), waiting: new WaitingReceives() },
    topics: unsupportedFacet('topics'),
    kv: unsupportedFacet('kv'),
    admin: unsupportedFacet('admin'),
    close: async () => {},
  });
  const { queues, admin } = transport;
  const refused = (operation: string): object => ({ code: 'UNSUPPORTED', transport: 'skeleton', operation });
  await expect(queues.receive('q')).rejects.toMatchObject({ code: 'UNSUPPORTED', transport: 'skeleton' });
  await expect(admin.cancel('q', ['x'])).rejects.toMatchObject(refused('admin.cancel'));
  await expect(admin.reschedule('q', ['x'], 0)).rejects.toMatchObject(refused('admin.reschedule'));
  await expect(admin.importState([{ kind: 'revision', highest: 1 }])).rejects.toMatchObject(
    refused('admin.importState'),
  );
  const records = admin.exportState()[Symbol.asyncIterator]();
  await expect(records.next()).rejects.toMatchObject(refused('admin.exportState'));
});

test('a service keeps the process alive until its close has ended', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const closing = Promise.withResolvers<void>();
  const service = { close: () => closing.promise, [Symbol.asyncDispose]: () => closing.promise };
  const transport = open({ capabilities: declaring({ calls: true }), calls: { serve: async () => service } });
  const served = await transport.calls?.serve('echo', {}, async function* () {});
  // The deadline of the call that has ended fires late, and keeps nothing alive.
  const held = timers();
  const closed = served?.close();
  expect(timers()).toBe(held);
  closing.resolve();
  await closed;
  expect(timers()).toBe(held - 1);
  await transport.close();
});
