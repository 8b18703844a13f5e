/** Security: rejected clients, missing rights and invalid network data. */

import { connect } from 'node:net';
import { inspect } from 'node:util';
import type { ErrorCode } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import type { UntrustedClient } from '../harness.ts';

const OPEN_MS = 15_000;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Security' }, [
  {
    id: 'N1',
    title: 'a wrong password is PERMISSION_DENIED, quickly, and appears in no error',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'wrongPassword',
    async run(test) {
      await assertRejected(test, await test.untrustedClient(), 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N2',
    title: 'a user without rights gets PERMISSION_DENIED',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'denied',
    async run(test) {
      const client = await test.untrustedClient();
      const use = async (): Promise<void> => {
        await using transport = await client.open();
        await transport.queues.send('work', test.messages(1), { timeoutMs: 5_000 });
      };
      await assertRejected(test, { ...client, open: use }, 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N3',
    title: 'a client does not talk to a server whose certificate it does not trust',
    rules: ['RA6', 'RA1'],
    untrustedClient: 'wrongAuthority',
    async run(test) {
      await assertRejected(test, await test.untrustedClient(), ['UNAVAILABLE', 'PERMISSION_DENIED']);
    },
  },
  {
    id: 'N7',
    title: 'garbage, partial frames and floods on its port stop neither the server nor the work of others',
    rules: ['RA2'],
    harnessFeatures: ['server'],
    timeoutMs: 60_000,
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(1));
      const garbage = [
        ...Array.from({ length: 20 }, () => Buffer.from(Array.from({ length: 512 }, () => test.random() * 256))),
        Buffer.alloc(1_048_576, 0xff),
        Buffer.alloc(64),
        Buffer.from('{"type":'),
        Buffer.from('GET / HTTP/1.1\r\n'),
        Buffer.from('*1000000000\r\n$2000000000\r\n'),
        Buffer.from('PUB a 999999999\r\n'),
      ];
      await Promise.all(garbage.map((bytes) => throwAt(test, bytes)));
      await test.send(transport, 'work', test.messages(1));
      await test.ack(transport, await test.receive(transport, 'work', 2));
      test.check.equal(transport.state, 'open', 'the state of a client meanwhile');
      const other = await test.open();
      await test.send(other, 'work', test.messages(1));
    },
  },
  {
    id: 'N8',
    title: 'a client authenticated as one agent cannot send as another',
    rules: ['RA1'],
    untrustedClient: 'impostor',
    async run(test) {
      const client = await test.untrustedClient();
      await using transport = await client.open();
      const forged = [{ body: Buffer.from('x'), from: '@somebody-else' }];
      const sending = transport.queues.send('work', forged).then(([result]) => Promise.reject(result?.error));
      await test.check.rejects(sending, 'PERMISSION_DENIED', 'a message in the name of another');
    },
  },
]);

interface Attempt extends Omit<UntrustedClient, 'open'> {
  open(): Promise<unknown>;
}

async function assertRejected(
  test: TestContext,
  { open, secrets }: Attempt,
  code: ErrorCode | readonly ErrorCode[],
): Promise<void> {
  const opening = within(OPEN_MS, `no error within ${OPEN_MS} ms`, open());
  const error = await test.check.rejects(opening, code, 'without rights');
  const shown = `${String(error)} ${JSON.stringify(error)} ${inspect(error, { depth: 6 })}`;
  for (const secret of secrets) test.check.ok(!shown.includes(secret), 'the error shows a secret');
}

/** Writes `bytes` to the server and disconnects soon, or when the server does. */
async function throwAt(test: TestContext, bytes: Uint8Array): Promise<void> {
  const socket = connect({ ...test.server.network.endpoint });
  socket.on('error', () => undefined);
  socket.setTimeout(300, () => socket.destroy());
  socket.resume();
  socket.write(bytes);
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
