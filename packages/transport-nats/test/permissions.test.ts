/** The users of the README: its text is the configuration of the server, and each may do what the README says. */

import { readFileSync } from 'node:fs';
import { type Bus, openBus } from '@busbar/api';
import type { Delivery, Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats, startNatsCluster } from '@busbar/testbed';
import { beforeEach, expect, test } from 'vitest';
import { useEverything } from '../../../test/use-everything.ts';
import { type NatsOptions, openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const [, CONFIG = ''] = /## Permissions\n.*?```\n(.*?)```/s.exec(README) ?? [];
const CLIENT = { user: 'client', password: 'change-me', ns: 'team' };
const PLANNER = { user: 'planner', password: 'change-me-too', ns: 'team', inboxPrefix: '_INBOX_planner' };
const MAIL = '$inbox.@planner';

test('a client of the README does everything in its namespace, and nothing in another', async () => {
  await using server = await startNats({ config: [CONFIG] });
  const options = { ...parseNatsUrl(server.url), ...CLIENT };
  await using transport = await openNats(options);
  expect(lacked(transport)).toEqual([]);
  await useEverything(transport);
  await using changed = await openNats({ ...options, retention: { maxEvents: 500 } });
  expect(changed.capabilities.retention.maxEvents).toBe(500);
  await expect(openNats({ ...options, ns: 'other' })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('BUSBAR_other_'),
    hint: expect.stringContaining('publish permissions'),
  });
}, 60_000);

test('only a user that may create and delete streams closes the store for a move', async () => {
  const more = '"$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.DELETE.*"';
  const mover = CONFIG.replace('user: client', 'user: mover').replace('publish: [', `publish: [${more}`);
  const users = CONFIG.replace('users: [{', `users: [${/users: \[(\{.*?\n {2}\})/s.exec(mover)?.[1]}, {`);
  await using server = await startNats({ config: [users] });
  const options = { ...parseNatsUrl(server.url), ...CLIENT };
  await using client = await openNats(options);
  await using other = await openNats({ ...options, user: 'mover' });
  const refused = client.admin.setGate('closed', { ifRevision: 0 });
  await expect(refused).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('CREATE'),
  });
  expect(await client.queues.send('work', [{ body: Buffer.from('x') }])).toMatchObject([{ status: 'stored' }]);
  const { revision } = await other.admin.setGate('closed', { ifRevision: 0 });
  await expect(client.kv.put('key', Buffer.from('x'))).rejects.toMatchObject({ code: 'CONFLICT' });
  await other.admin.importState([], { gateRevision: revision });
  await other.admin.setGate('open', { ifRevision: revision });
  expect(await client.kv.put('key', Buffer.from('x'))).toMatchObject({ status: 'stored' });
});

test.each([
  ['on one server', 1],
  ['in a cluster', 3],
])(
  'an agent of the README has its mailbox, and takes part, %s',
  async (_, replicas) => {
    await using team = await startTeam(replicas);
    const { client, planner, options } = team;
    const agent = await planner.agent('@planner');
    const mail: unknown[] = [];
    agent.handle<number>('add', ({ body }) => body + 1);
    agent.handle('note', ({ body }) => void mail.push(body));
    const boss = await client.agent('@boss');
    // Another server of the cluster learns a little later who serves an address.
    await expect.poll(() => boss.request('@planner', 'add', 1).catch(codeOf), { timeout: 20_000 }).toBe(2);
    expect(await boss.request('@planner', 'add', 2, { durable: true })).toBe(3);
    await boss.send('@planner', 'note', 'to the planner');
    await expect.poll(() => mail, { timeout: 20_000 }).toEqual(['to the planner']);
    await agent.send('@boss', 'note', 'to the boss');
    expect(await boss.receive({ waitMs: 10_000 })).toMatchObject([{ body: 'to the boss' }]);
    const told = Promise.withResolvers<unknown>();
    await planner.subscribe('news.*', ({ body }) => told.resolve(body));
    await client.publish('news.today', 'event');
    expect(await told.promise).toBe('event');
    await planner.enqueue('work', 'task');
    expect(await planner.agents({ online: true })).toMatchObject([{ name: '@boss' }, { name: '@planner' }]);
    await agent.close();
    await using transport = await openNats(options);
    await assertSettles(transport, team.admin);
  },
  120_000,
);

test('what an agent of the README may not do is PERMISSION_DENIED, with what it lacks', async () => {
  await using team = await startTeam(1);
  const { queues, topics } = team.admin;
  await queues.send('work', [{ body: Buffer.from('x') }]);
  await queues.send(MAIL, [{ body: Buffer.from('x') }]);
  await queues.send('$inbox.@boss', [{ body: Buffer.from('x') }]);
  await queues.receive('$inbox.@boss', {});
  await queues.configure('long', { dedupeMs: 600_000 });
  await topics.bind('bound', 'news.*');
  await using transport = await openNats(team.options);
  const tries: Record<string, [() => Promise<unknown>, string]> = {
    'the mail of another agent': [() => transport.queues.receive('$inbox.@boss', {}), 'q.normal.$inbox.@boss'],
    'a work queue': [() => transport.queues.receive('work', { waitMs: 5_000 }), 'q.normal.work'],
    'the counts of all queues': [() => transport.admin.queues(), 'CONSUMER.CREATE.BUSBAR_team_QUEUES'],
    'a look into a queue': [() => transport.admin.browse('work'), 'CONSUMER.CREATE.BUSBAR_team_QUEUES'],
    'the end of a queue': [() => transport.admin.deleteQueue('work'), 'STREAM.PURGE.BUSBAR_team_QUEUES'],
    'the end of everything': [() => transport.admin.clear(), 'STREAM.PURGE.BUSBAR_team_QUEUES'],
  };
  for (const [what, [act, subject]] of Object.entries(tries)) {
    await expect(act(), what).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      retryable: false,
      message: expect.stringContaining(subject),
      hint: expect.stringContaining('README'),
    });
  }
  expect(await transport.queues.send('long', [{ id: '1', body: Buffer.from('x') }])).toMatchObject([
    { status: 'failed', error: { code: 'PERMISSION_DENIED' } },
  ]);
  expect(await team.admin.admin.queues({ names: ['work'] })).toMatchObject([{ ready: 1 }]);
}, 60_000);

test('an agent without an inbox of its own is refused at once, and told which', async () => {
  await using team = await startTeam(1);
  const { inboxPrefix: _, ...options } = team.options;
  await expect(openNats(options)).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('subscribe _INBOX.'),
  });
});

test('warnings, which doctor prints, say what a user lacks', async () => {
  await using team = await startTeam(1);
  await using transport = await openNats(team.options);
  expect(lacked(transport)).toEqual([
    'send to queues that remember ids for more than two minutes',
    'receive from every queue',
    'look into queues: browse, count, export, cancel',
    'delete handled messages, dead letters, queues and everything',
    'create missing streams',
    'change how much history of topics is kept',
  ]);
});

interface Team extends AsyncDisposable {
  readonly client: Bus;
  readonly admin: Transport;
  readonly planner: Bus;
  readonly options: NatsOptions;
}

/** A server with the users of the README, used by both. */
async function startTeam(replicas: number): Promise<Team> {
  const started = replicas > 1 ? await startNatsCluster({ config: [CONFIG] }) : await startNats({ config: [CONFIG] });
  const members: readonly NatsServer[] = 'servers' in started ? started.servers : [started];
  const servers = members.map(({ port }) => `127.0.0.1:${port}`);
  const admin = await openNats({ servers, ...CLIENT, ...(replicas > 1 && { replicas }) });
  const options = { servers, ...PLANNER };
  const [client, planner] = [openBus(admin), openBus(await openNats(options))];
  const close = async (): Promise<void> => {
    await Promise.all([client.close(), planner.close()]);
    await started[Symbol.asyncDispose]();
  };
  return { client, admin, planner, options, [Symbol.asyncDispose]: close };
}

/** An agent that may not read other queues settles and looks into its own all the same. */
async function assertSettles({ queues, admin: own }: Transport, { admin }: Transport): Promise<void> {
  await queues.send(
    MAIL,
    [{ id: 'ack' }, { id: 'retry' }, { id: 'reject' }].map((one) => ({ ...one, body: Buffer.from('x') })),
  );
  const got: Delivery[] = [];
  // A receive gives what is there: the third one may come after it.
  while (got.length < 3) got.push(...(await queues.receive(MAIL, { max: 3 - got.length, waitMs: 10_000 })));
  const settled = got.map(({ id, receipt }) => ({
    receipt,
    action: id as 'ack',
    ...(id !== 'ack' && { reason: 'so' }),
  }));
  expect((await queues.settle(settled)).map(({ status }) => status)).toEqual(['done', 'done', 'done']);
  for (const each of [own, admin]) {
    expect((await each.browse(MAIL)).messages).toMatchObject([
      { message: { id: 'retry' }, attempts: 1 },
      { message: { id: 'reject' }, dead: { reason: 'so' } },
    ]);
  }
}

/** What the warnings say of permissions. */
function lacked({ warnings = [] }: Transport): string[] {
  return warnings.flatMap(({ text }) => /^This user may not (.*): it lacks /.exec(text)?.[1] ?? []);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
