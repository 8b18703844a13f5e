/** Hubs that are killed and start again over a store that lost data, over every link. The suite of a Unix socket has the cases, too. */

import { rmSync } from 'node:fs';
import { openBus } from '@busbar/api';
import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { waitFor } from '@busbar/testbed';
import { afterAll, expect, test } from 'vitest';
import { openUnix } from '../../src/index.ts';
import { unixHarness } from '../harness.ts';
import { linkHarness } from '../support/link-harness.ts';
import { ws, zmq } from '../support/link-kinds.ts';
import { startHub } from '../support/running-hub.ts';

const CASES = SUITE.filter(({ harnessFeatures }) => harnessFeatures?.includes('loss'));
const HARNESSES = [
  unixHarness('unix (memory)', 'memory:'),
  linkHarness(ws, 'sqlite:$', afterAll),
  linkHarness(ws, 'memory:', afterAll),
  linkHarness(zmq, 'sqlite:$', afterAll),
  linkHarness(zmq, 'memory:', afterAll),
];

for (const harness of HARNESSES) testTransport(harness, { cases: CASES });

test('a client learns that the file of the store was removed while its hub runs', { timeout: 60_000 }, async () => {
  await using hub = await startHub('sqlite:$');
  const errors: string[] = [];
  await using bus = openBus(await openUnix({ path: hub.path }), {
    ownsTransport: true,
    onError: ({ error }) => void errors.push(error.code),
  });
  const mail: unknown[] = [];
  (await bus.agent('@worker')).handle('note', ({ body }) => void mail.push(body));
  const states: string[] = [];
  bus.transport.onState(({ state }) => states.push(state));
  for (const part of ['', '-wal', '-shm']) rmSync(`${hub.path}.db${part}`, { force: true });
  await waitFor(() => errors.includes('DATA_LOSS'), { what: 'the report of the loss', timeoutMs: 20_000 });
  await using other = openBus(await openUnix({ path: hub.path }), { ownsTransport: true });
  await waitFor(() => other.send('@worker', 'note', 'after').then(() => true), {
    what: 'the mailbox',
    timeoutMs: 20_000,
  });
  await waitFor(() => mail.length > 0, { what: 'the mail' });
  expect(mail[0]).toBe('after');
  expect(errors.filter((code) => code === 'DATA_LOSS')).toHaveLength(1);
  expect(states).toEqual([]);
});
