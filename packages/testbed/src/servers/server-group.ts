// A group of servers.
import { freePort } from '../free-port.ts';
import { waitFor } from '../wait-for.ts';
import type { RealServer } from './real-server.ts';
import { PortTakenError } from './server-process.ts';

/** Several servers that can be killed and started individually. Disposing kills all. */
export abstract class ServerGroup<T extends RealServer> implements AsyncDisposable {
  readonly servers: readonly T[];

  /** @internal */
  constructor(servers: readonly T[]) {
    this.servers = servers;
  }

  /** Resolves when all running servers are ready and in sync. */
  async usable(): Promise<void> {
    const running = this.servers.filter(({ isRunning }) => isRunning);
    const answer = async (): Promise<true> => {
      await this.assertUsable(running);
      return true;
    };
    await waitFor(answer, { what: `${running.length} servers to serve together`, timeoutMs: 30_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }

  /** Throws while the group is not ready. */
  protected abstract assertUsable(running: readonly T[]): Promise<void>;
}

/** Sets up a group and waits until it is ready. Kills it on failure. */
export async function usable<G extends ServerGroup<RealServer>>(group: G, setUp?: () => Promise<void>): Promise<G> {
  try {
    await setUp?.();
    await group.usable();
    return group;
  } catch (error) {
    await group[Symbol.asyncDispose]();
    throw error;
  }
}

const ATTEMPTS = 10;

/** Starts the servers of `make`. Retries with other ports if one was taken meanwhile. */
export async function startOnFreePorts<T extends readonly RealServer[]>(make: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const servers = await make();
    const starts = await Promise.allSettled(servers.map((server) => server.start()));
    const failures = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason] : []));
    if (failures.length === 0) return servers;
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    const taken = failures.find((failure) => failure instanceof PortTakenError);
    if (!taken || attempt === ATTEMPTS) throw failures[0];
  }
}

/** The same for one server. */
export async function startOnFreePort<T extends RealServer>(make: (port: number) => Promise<T>): Promise<T> {
  const [server] = await startOnFreePorts(async () => [await make(await freePort())] as const);
  return server;
}

/** Returns distinct free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
