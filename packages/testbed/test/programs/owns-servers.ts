// Starts a server of each kind, reports their process ids and folders, and waits to be killed.
import { sendToParent, startNats, startRedis } from '@busbar/testbed';

const servers = await Promise.all([startRedis(), startNats()]);
await sendToParent(servers.map(({ pid, folder }) => ({ pid, folder })));
setInterval(() => undefined, 60_000);
