// Replies to every message, reports its arguments, and fails on demand.
import { onParentMessage, sendToParent } from '@busbar/testbed';

onParentMessage<{ fail?: string; bytes?: Uint8Array }>((message) => {
  if (message.fail) throw new Error(message.fail);
  void sendToParent({ echo: message });
});
await sendToParent({ started: process.argv.slice(2), greeting: process.env['GREETING'] });
