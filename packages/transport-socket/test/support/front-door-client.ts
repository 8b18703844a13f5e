// A process that opens a bus by its URL, starts a hub if needed, and reports the hub's process id.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { connectTransport } from 'busbar';
import { hubStatus } from '../../src/index.ts';

const [url = ''] = process.argv.slice(2);

onParentMessage(async (message) => {
  if (message !== 'open') return;
  await using transport = await connectTransport(url);
  await transport.queues.send('seen', [{ body: Buffer.from('seen') }]);
  sendToParent((await hubStatus(url)).pid);
});
sendToParent('ready');
