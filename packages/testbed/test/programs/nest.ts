// Starts a child and reports its process id.
import { sendToParent, spawnChild } from '@busbar/testbed';

const child = spawnChild({ file: new URL('./echo.ts', import.meta.url) });
await child.next();
await sendToParent({ pid: child.pid });
setInterval(() => undefined, 1_000);
