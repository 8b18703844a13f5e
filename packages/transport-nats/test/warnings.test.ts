/** What `busbar doctor` says of a server's settings under which messages can be lost or refused. */

import type { Transport } from '@busbar/api/transport';
import { type NatsServer, needServer, startNats, tempDir } from '@busbar/testbed';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { type NatsOptions, openNats, parseNatsUrl } from '../src/index.ts';

beforeEach(({ skip }) => needServer('nats-server', skip));

/** Two accounts, of which one imports the monitoring service of the system account. */
const MONITORED = `
system_account: SYS
accounts: {
  SYS: { users: [{ user: sys, password: sys }], exports: [{ service: "$SYS.REQ.SERVER.PING.VARZ" }] }
  TEAM: {
    jetstream: enabled, users: [{ user: agent, password: right }]
    imports: [{ service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.VARZ" } }]
  }
  OTHERS: { jetstream: enabled, users: [{ user: other, password: right }] }
}`;
const AGENT = { user: 'agent', password: 'right' };

test('a queue stream with few consumers is a warning, and its end is BACKPRESSURE with what to do', async () => {
  await using server = await startNats();
  const options = await opened(server);
  await create(server, 'QUEUES', { max_consumers: 3 });
  await using transport = await openNats(options);
  expect(textsOf(transport)).toContainEqual(expect.stringContaining('allows 3 consumers (max_consumers)'));
  const receiving = ['a', 'b', 'c', 'd'].map(async (queue) => {
    await transport.queues.send(queue, [{ body: Buffer.from('x') }]);
    return await transport.queues.receive(queue, { waitMs: 5_000 });
  });
  const refused = (await Promise.allSettled(receiving)).filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([
    { reason: { code: 'BACKPRESSURE', hint: expect.stringContaining('nats stream edit') } },
  ]);
  await create(server, 'QUEUES', { max_consumers: 50_000 }, 'UPDATE');
  await using raised = await openNats(options);
  expect(textsOf(raised)).not.toContainEqual(expect.stringContaining('max_consumers'));
});

test('an account with few consumers is refused with what to do', async () => {
  const account = 'accounts: { TEAM: { jetstream: { max_consumers: 20 }, users: [{ user: agent, password: right }] } }';
  await using server = await startNats({ config: [account] });
  await expect(openNats({ ...parseNatsUrl(server.url), ...AGENT })).rejects.toMatchObject({
    code: 'BACKPRESSURE',
    message: expect.stringContaining('max_consumers'),
    hint: expect.stringContaining('account'),
  });
});

test('persist_mode async is a warning and no durability', async () => {
  await using server = await startNats();
  const options = await opened(server);
  await create(server, 'TOPICS', { persist_mode: 'async' });
  await using transport = await openNats(options);
  expect(transport.capabilities.durability).toBe('none');
  expect(textsOf(transport)).toContainEqual(expect.stringContaining('persist_mode async'));
  await expect(openNats({ ...options, durability: 'process' })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('persist_mode'),
  });
});

test('storage in memory is a warning, and a default server has none but its sync_interval', async () => {
  await using server = await startNats();
  const options = parseNatsUrl(server.url);
  await using volatile = await openNats({ ...options, ns: 'volatile', storage: 'memory' });
  expect(textsOf(volatile)).toContainEqual(expect.stringContaining('in memory'));
  await using plain = await openNats(options);
  expect(textsOf(plain)).toEqual([expect.stringContaining('unknown')]);
});

test.each([
  ['"2m"', [expect.stringContaining('every 120 s (sync_interval)')]],
  ['500ms', [expect.stringContaining('every 0.5 s (sync_interval)')]],
  ['always', []],
])('the system account and the monitoring port tell sync_interval %s', async (interval, texts) => {
  await using folder = tempDir('busbar-nats-sync');
  const storage = `jetstream: { store_dir: ${JSON.stringify(folder.path)}, sync_interval: ${interval} }`;
  await using server = await startNats({ config: [MONITORED, storage] });
  const options = parseNatsUrl(server.url);
  await using asked = await openNats({ ...options, ...AGENT });
  expect(textsOf(asked)).toEqual(texts);
  await using named = await openNats({ ...options, ...AGENT, user: 'other', monitor: server.monitorUrl });
  expect(textsOf(named)).toEqual(texts);
  await using unnamed = await openNats({ ...options, ...AGENT, user: 'other' });
  expect(textsOf(unnamed)).toEqual([expect.stringContaining('unknown')]);
});

test('a monitoring port that does not answer, or of another server, tells nothing', async () => {
  await using server = await startNats();
  await using other = await startNats();
  const options = parseNatsUrl(server.url);
  const monitors = [other.monitorUrl, `http://127.0.0.1:${server.port}`, 'http://127.0.0.1:1'];
  for (const monitor of monitors) {
    await using transport = await openNats({ ...options, monitor });
    expect(textsOf(transport), monitor).toEqual([expect.stringContaining('unknown')]);
  }
});

/** The options of a namespace that was opened once. */
async function opened(server: NatsServer): Promise<NatsOptions> {
  const options = { ...parseNatsUrl(server.url), ns: 'team' };
  await (await openNats(options)).close();
  return options;
}

/** Creates a stream of the namespace again, or updates it, with other settings. */
async function create(
  server: NatsServer,
  name: string,
  settings: object,
  how: 'CREATE' | 'UPDATE' = 'CREATE',
): Promise<void> {
  await using connection = await connect({ servers: new URL(server.url).host });
  const stream = `BUSBAR_team_${name}`;
  const ask = async (path: string, body?: object): Promise<{ error?: unknown; config?: object }> =>
    (await connection.request(`$JS.API.STREAM.${path}.${stream}`, body && JSON.stringify(body))).json();
  const { config } = await ask('INFO');
  if (how === 'CREATE') await ask('DELETE');
  expect((await ask(how, { ...config, ...settings })).error).toBeUndefined();
}

function textsOf({ warnings = [] }: Transport): string[] {
  return warnings.map(({ text }) => text);
}
