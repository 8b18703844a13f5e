// A program that sends messages over an audited bus until it is killed.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { openFiles } from '../audit-harness.ts';

const [folder = ''] = process.argv.slice(2);
const bus = await openFiles({ folder, options: { lookMs: 50 } });
onParentMessage<string>((step) => {
  void (async () => {
    if (step === 'close') await bus.close();
    else await bus.queues.send('work', [{ id: step, body: Buffer.from('x') }]);
    await sendToParent({ step });
  })();
});
await sendToParent({ step: 'ready' });
