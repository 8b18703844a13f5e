// A program that serves calls until it is killed. It echoes bodies; a call of the type `hang` gets no reply.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import { openSqlite } from '../../src/index.ts';

const [file = '', address = ''] = process.argv.slice(2);
const transport = await openSqlite({ file });
let calls = 0;
await transport.calls?.serve(address, { max: 1000 }, async function* ({ type, body }) {
  calls += 1;
  if (type === 'hang') await new Promise<void>((_, reject) => setTimeout(reject, 2 ** 30));
  yield { body };
});
onParentMessage(() => sendToParent({ calls }));
sendToParent('serving');
