// A process that opens a bus over a socket, starts a hub if needed, and reports the hub's process id.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { hubStatus, openUnix } from '../../src/index.ts';
import { hubProgram } from './running-hub.ts';

const [path = '', store = '', idleMs = ''] = process.argv.slice(2);

onParentMessage(async (message) => {
  if (message !== 'open') return;
  await using transport = await openUnix({ path, start: hubProgram(path, store, Number(idleMs)) });
  const { pid } = await hubStatus(`unix:${path}`);
  await transport.queues.send('seen', [{ body: Buffer.from(String(pid)) }]);
  sendToParent(pid);
});
sendToParent('ready');
