// Finds a free TCP port.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ephemeral ports: a client could otherwise take the port of a restarting server. */
const FIRST = 10_240;
const COUNT = 20_000;

/** Returns a free port of the loopback interface. Use it soon, before another process does. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
