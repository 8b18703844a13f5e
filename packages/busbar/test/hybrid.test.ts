// A hybrid from a shell: the commands of docs/hybrid.md, in their order.
import { readFileSync, writeFileSync } from 'node:fs';
import { needServer, startRedis } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { connect } from '../src/index.ts';
import { shell } from './shell.ts';

beforeEach(({ skip }) => needServer('redis-server', skip));

const DOCUMENT = readFileSync(new URL('../../../docs/hybrid.md', import.meta.url), 'utf8');
const [, CONFIG = ''] = /```json\n(.*?)```/s.exec(DOCUMENT) ?? [];
const COMMANDS = [...DOCUMENT.matchAll(/^busbar (.*?)(?: {2,}#.*)?$/gm)].map(([, command = '']) => command);

test('the commands of the runbook', { timeout: 120_000 }, async () => {
  await using server = await startRedis();
  await using sh = shell();
  writeFileSync(sh.dir.join('busbar.config.json'), CONFIG);
  const env = { CACHE_URL: server.url };
  const printed = new Map<string, string>();
  for (const command of COMMANDS) {
    const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    const { code, stdout, stderr } = await sh.use({ args, env });
    expect({ command, code, stderr }).toMatchObject({ command, code: 0 });
    printed.set(command, stdout);
  }
  expect(printed.size).toBeGreaterThan(8);
  expect(printed.get('doctor')).toMatch(/ok .*parts +fast: redis:\/\/\S+ carries requests, ephemeral events, messages/);
  expect(printed.get('doctor')).toMatch(/ok .*parts +durable: sqlite:\S+ carries all else/);
  expect(printed.get('recv @worker --ack auto')).toContain('reindex');
  expect(printed.get('stats')).toMatch(/@worker +2 .*inbox/);
  expect(printed.get('stats --url store')).toMatch(/@worker +1 .*inbox/);
});

test('commands work while the fast part is away, and doctor and check say so', { timeout: 90_000 }, async () => {
  await using server = await startRedis();
  await using sh = shell();
  const env = { MESSAGE_BUS: `hybrid:?fast=${encodeURIComponent(server.url)}&durable=sqlite` };
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await sh.use({ args, env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout;
  };
  await run('register', '@worker');
  await server.kill();
  expect(await run('doctor')).toMatch(/warn .*parts +fast: redis:\/\/\S+ carries .*; it is reconnecting/);
  const { code, stdout } = await sh.use({ args: ['check'], env });
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^BUSBAR WARNING - the fast part, redis:\/\/\S+, is away; the other part takes its traffic \| /,
  );
  expect(stdout).toMatch(/\nfast: redis:\/\/\S+, reconnecting, carries requests/);
  expect(stdout).toMatch(/\ndurable: sqlite:\S+, open, carries all else/);
  await run('send', '@worker', 'hello');
  expect(await run('recv', '@worker')).toContain('hello');
});

test.each([
  ['hybrid', 'has no parameter fast'],
  ['hybrid:?fast=redis', 'has no parameter durable'],
  ['hybrid:?fast=sqlite&durable=sqlite', 'the same bus'],
  ['hybrid:?fast=nowhere&durable=sqlite', 'unknown bus'],
  ['hybrid:?fast=memory:a&durable=memory:b&urgent=high', 'urgent'],
  ['hybrid:?fast=memory:a&durable=memory:b&slow=x', 'unknown parameter'],
  ['hybrid:?fast=memory:a&durable=hybrid%3A%3Ffast%3Dmemory%26durable%3Dsqlite', 'is a hybrid bus itself'],
])('%j is refused: it %s', async (url, text) => {
  await expect(connect(url)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(text),
  });
});

test('a fast part of smaller reach is refused', async () => {
  await using sh = shell();
  const url = `hybrid:?fast=memory&durable=${encodeURIComponent(`sqlite:${sh.dir.join('bus.db')}`)}`;
  await expect(connect(url)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('reaches the same process only'),
  });
});

test('a part may be a bus that moves, and the namespace goes to each part', async () => {
  await using sh = shell();
  const file = (name: string): string => encodeURIComponent(`sqlite:${sh.dir.join(name)}`);
  const durable = encodeURIComponent(`migrate:?from=${file('from.db')}&to=${file('to.db')}`);
  const url = `hybrid:?fast=memory:hybrid-parts&durable=${durable}&reach=process&ns=team`;
  await using bus = await connect(url);
  await bus.enqueue('work', 1);
  await using part = await connect(`sqlite:${sh.dir.join('from.db')}?ns=team`);
  expect((await part.stats()).queues).toMatchObject([{ name: 'work', ready: 1 }]);
  const third = `audit:?of=${encodeURIComponent(url)}&log=${file('log.db')}`;
  await expect(connect(third)).rejects.toMatchObject({ message: expect.stringContaining('more than 2 levels') });
});

test('an audit of a hybrid shows its parts, and settles on both', async () => {
  await using sh = shell();
  const file = (name: string): string => encodeURIComponent(`sqlite:${sh.dir.join(name)}`);
  const hybrid = `hybrid:?fast=memory:hybrid-audited&durable=${file('bus.db')}&reach=process&urgent=8`;
  await using bus = await connect(`audit:?of=${encodeURIComponent(hybrid)}&log=${file('log.db')}`);
  await bus.enqueue('work', 'late');
  await bus.enqueue('work', 'first', { priority: 9 });
  const deliveries = await bus.transport.queues.receive('work', { max: 2 });
  expect(deliveries.map(({ priority }) => priority)).toEqual([9, 4]);
  expect(Math.max(...deliveries.map(({ receipt }) => receipt.length))).toBeLessThanOrEqual(512);
  const settled = await bus.transport.queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  expect(settled.map(({ status }) => status)).toEqual(['done', 'done']);
  expect(bus.transport.parts?.map(({ role, sent }) => [role, sent])).toEqual([
    ['fast', 1],
    ['durable', 1],
  ]);
});
