/** The frames of the replies to a call. */

import type { CallHandler, MessageInput, Replies } from '@busbar/api/transport';
import { waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { FRAME, type Frame, frame, ServedAddress, ServedCalls } from '../src/index.ts';

const REPLY: MessageInput = { id: 'reply', body: new TextEncoder().encode('hello') };

/** One reply, which the server knows as the last one. */
class SingleReply implements Replies {
  isEnded = false;

  async *[Symbol.asyncIterator](): AsyncGenerator<MessageInput> {
    this.isEnded = true;
    yield REPLY;
  }
}

/** The frames with which `handler` answers a call. */
async function answer(handler: CallHandler, joinsEnd: boolean): Promise<readonly Frame[]> {
  const sent: Frame[] = [];
  const service = new ServedAddress('address', 1, handler);
  const calls = new ServedCalls({
    find: () => service,
    send: (each) => sent.push(each),
    isFull: () => false,
    joinsEnd: () => joinsEnd,
    maxBodyBytes: 1_000,
  });
  calls.onFrame(frame(FRAME.call, 1, { address: 'address', message: { id: 'call' } }, [new Uint8Array(0)]));
  await waitFor(() => sent.at(-1)?.type === FRAME.response, { what: 'the end of the call' });
  await service.running.whenIdle();
  return sent;
}

test('a reply that is known as the last one ends the call', async () => {
  expect(await answer(() => new SingleReply(), true)).toMatchObject([
    { type: FRAME.response, id: 1, header: { id: 'reply' }, bodies: [REPLY.body] },
  ]);
});

test.each<[string, CallHandler, boolean]>([
  ['of a requester that does not take both in one frame', () => new SingleReply(), false],
  [
    'whose last reply is not known',
    async function* () {
      yield REPLY;
    },
    true,
  ],
])('a call %s ends with a frame of its own', async (_, handler, joinsEnd) => {
  expect(await answer(handler, joinsEnd)).toMatchObject([
    { type: FRAME.item, id: 1, bodies: [REPLY.body] },
    { type: FRAME.response, id: 1, header: {}, bodies: [] },
  ]);
});
