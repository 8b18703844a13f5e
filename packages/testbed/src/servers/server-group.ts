// Servers that belong together.
import { freePort } from '../free-port.ts';
import { waitFor } from '../wait-for.ts';
import type { RealServer } from './real-server.ts';
import { PortTakenError } from './server-process.ts';

/** Several servers, each to be killed and started by itself. Disposing of it kills all. */
export abstract class ServerGroup<T extends RealServer> implements AsyncDisposable {
  readonly servers: readonly T[];

  /** @internal */
  constructor(servers: readonly T[]) {
    this.servers = servers;
  }

  /** Resolves once those that run serve together, and none of them has to catch up any more. */
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

  /** Throws what is missing yet. */
  protected abstract assertUsable(running: readonly T[]): Promise<void>;
}

/** Sets a group up and waits until it is usable; kills it where that fails. */
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

/** Starts what `make` makes, all at once; others on other ports when somebody else took one of them meanwhile. */
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

/** The same for one. */
export async function startOnFreePort<T extends RealServer>(make: (port: number) => Promise<T>): Promise<T> {
  const [server] = await startOnFreePorts(async () => [await make(await freePort())] as const);
  return server;
}

/** Different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
