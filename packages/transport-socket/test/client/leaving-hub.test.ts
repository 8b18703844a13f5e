// A hub that leaves right after it has answered, before the client has looked at the answer.

import { FRAME, type Frame, frame } from '@busbar/wire';
import { connectTransport } from 'busbar';
import { expect, test } from 'vitest';
import { HubClient } from '../../src/client/hub-client.ts';
import { RemoteCursor } from '../../src/client/remote-cursor.ts';
import { ServiceRegistry } from '../../src/client/service-registry.ts';
import type { ClientLink } from '../../src/links/link.ts';

test('a cursor that a leaving hub opened is opened again at the next hub', async () => {
  await using memory = await connectTransport('memory:');
  const connections: string[][] = [];
  const link: ClientLink = {
    ...{ name: 'test', address: 'test:', reach: 'host', token: async () => undefined },
    async connect(events) {
      const ops: string[] = [];
      const isFirst = connections.push(ops) === 1;
      const answer = ({ type, id, header }: Frame): void => {
        const welcome = { version: 1, hub: 'test', store: 'memory', capabilities: memory.capabilities };
        if (type === FRAME.hello) events.onFrames([frame(FRAME.welcome, 0, welcome)]);
        if (type !== FRAME.request) return;
        ops.push(String(header['op']));
        events.onFrames([frame(FRAME.response, id, { cursor: id })]);
        if (isFirst) events.onClose(undefined);
      };
      const nothing = (): void => undefined;
      const send = (each: Frame): void => queueMicrotask(() => answer(each));
      const destroy = (): void => events.onClose(undefined);
      return { send, flush: nothing, buffered: 0, pause: nothing, resume: nothing, close: destroy, destroy };
    },
  };
  const client = new HubClient({ link, info: { heartbeatMs: 60_000 }, connectTimeoutMs: 5_000 }, new ServiceRegistry());
  await client.open();
  const cursor = new RemoteCursor(client, { op: 'kv.watch', header: () => ({}) });
  await cursor.open();
  await cursor.next(1);
  expect(connections).toEqual([['kv.watch'], ['kv.watch', 'cursor.next']]);
  await client.close();
});
