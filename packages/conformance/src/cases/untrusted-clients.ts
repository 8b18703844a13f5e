/** Security: rejected clients, missing rights and invalid network data. */

import { connect } from 'node:net';
import { inspect } from 'node:util';
import type { ErrorCode } from '@busbar/api';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { within } from '../context/until.ts';
import type { Stranger } from '../harness.ts';

const group = 'Security';
const OPEN_MS = 15_000;

export const cases: readonly ConformanceCase[] = [
  {
    id: 'N1',
    group,
    title: 'a wrong password is PERMISSION_DENIED, quickly, and appears in no error',
    level: 'MUST',
    rules: ['RA6', 'RA1'],
    stranger: 'wrongPassword',
    async run(lab) {
      await turnedAway(lab, await lab.stranger(), 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N2',
    group,
    title: 'a user without rights gets PERMISSION_DENIED',
    level: 'MUST',
    rules: ['RA6', 'RA1'],
    stranger: 'denied',
    async run(lab) {
      const stranger = await lab.stranger();
      const use = async (): Promise<void> => {
        await using transport = await stranger.open();
        await transport.queues.send('work', lab.messages(1), { timeoutMs: 5_000 });
      };
      await turnedAway(lab, { ...stranger, open: use }, 'PERMISSION_DENIED');
    },
  },
  {
    id: 'N3',
    group,
    title: 'a client does not talk to a server whose certificate it does not trust',
    level: 'MUST',
    rules: ['RA6', 'RA1'],
    stranger: 'wrongAuthority',
    async run(lab) {
      await turnedAway(lab, await lab.stranger(), ['UNAVAILABLE', 'PERMISSION_DENIED']);
    },
  },
  {
    id: 'N7',
    group,
    title: 'garbage, partial frames and floods on its port stop neither the server nor the work of others',
    level: 'MUST',
    rules: ['RA2'],
    powers: ['server'],
    timeoutMs: 60_000,
    async run(lab) {
      const transport = await lab.transport();
      await lab.send(transport, 'work', lab.messages(1));
      const garbage = [
        ...Array.from({ length: 20 }, () => Buffer.from(Array.from({ length: 512 }, () => lab.random() * 256))),
        Buffer.alloc(1_048_576, 0xff),
        Buffer.alloc(64),
        Buffer.from('{"type":'),
        Buffer.from('GET / HTTP/1.1\r\n'),
        Buffer.from('*1000000000\r\n$2000000000\r\n'),
        Buffer.from('PUB a 999999999\r\n'),
      ];
      await Promise.all(garbage.map((bytes) => throwAt(lab, bytes)));
      await lab.send(transport, 'work', lab.messages(1));
      await lab.ack(transport, await lab.receive(transport, 'work', 2));
      lab.check.equal(transport.state, 'open', 'the state of a client meanwhile');
      const other = await lab.open();
      await lab.send(other, 'work', lab.messages(1));
    },
  },
  {
    id: 'N8',
    group,
    title: 'a client authenticated as one agent cannot send as another',
    level: 'MUST',
    rules: ['RA1'],
    stranger: 'impostor',
    async run(lab) {
      const stranger = await lab.stranger();
      await using transport = await stranger.open();
      const forged = [{ body: Buffer.from('x'), from: '@somebody-else' }];
      const sending = transport.queues.send('work', forged).then(([result]) => Promise.reject(result?.error));
      await lab.check.rejects(sending, 'PERMISSION_DENIED', 'a message in the name of another');
    },
  },
];

interface Attempt extends Omit<Stranger, 'open'> {
  open(): Promise<unknown>;
}

async function turnedAway(lab: Lab, { open, secrets }: Attempt, code: ErrorCode | readonly ErrorCode[]): Promise<void> {
  const opening = within(OPEN_MS, `no error within ${OPEN_MS} ms`, open());
  const error = await lab.check.rejects(opening, code, 'who may not');
  const shown = `${String(error)} ${JSON.stringify(error)} ${inspect(error, { depth: 6 })}`;
  for (const secret of secrets) lab.check.ok(!shown.includes(secret), 'the error shows a secret');
}

/** Writes `bytes` to the server and disconnects soon, or when the server does. */
async function throwAt(lab: Lab, bytes: Uint8Array): Promise<void> {
  const socket = connect({ ...lab.server.wire.endpoint });
  socket.on('error', () => undefined);
  socket.setTimeout(300, () => socket.destroy());
  socket.resume();
  socket.write(bytes);
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
