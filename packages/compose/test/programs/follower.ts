// A program that sends, receives and acks over a bus that may move, one step for each message of its parent.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { openFiles } from '../harness.ts';

const [folder = ''] = process.argv.slice(2);
const bus = await openFiles({ folder });
let receipt = '';

const steps: Readonly<Record<string, () => Promise<unknown>>> = {
  send: async () => (await bus.queues.send('work', [{ id: 'late', body: Buffer.from('x') }]))[0]?.status,
  receive: async () => {
    const [delivery] = await bus.queues.receive('work', { waitMs: 20_000 });
    receipt = delivery?.receipt ?? '';
    return { id: delivery?.id, attempt: delivery?.attempt };
  },
  ack: async () => (await bus.queues.settle([{ receipt, action: 'ack' }]))[0]?.status,
};

onParentMessage<string>((step) => {
  void steps[step]?.().then(
    (result) => sendToParent({ step, result }),
    (error: unknown) => sendToParent({ step, error: String(error) }),
  );
});
await sendToParent({ step: 'ready' });
