// A TCP port nobody listens on.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that kernels give to clients: one of those could take the port of a server that restarts. */
const FIRST = 10_240;
const COUNT = 20_000;

/** A free port of the loopback interface; take it soon, another process may. */
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
