// A temporary NATS cluster with JetStream.
import { makeNats, type NatsOptions, type NatsServer } from './nats.ts';
import { freePorts, ServerGroup, startOnFreePorts, usable } from './server-group.ts';

/** Options of {@link startNatsCluster}. */
export interface NatsClusterOptions extends Omit<NatsOptions, 'proxy' | 'jetStream'> {
  /** Default 3. */
  readonly size?: number;
}

/** A server's view of the JetStream meta group. */
interface MetaGroup {
  readonly meta_cluster?: {
    readonly leader?: string;
    readonly cluster_size: number;
    readonly replicas?: readonly { readonly name: string; readonly current: boolean; readonly offline?: boolean }[];
  };
}

/** A running NATS cluster. */
export class NatsCluster extends ServerGroup<NatsServer> {
  protected async assertUsable(running: readonly NatsServer[]): Promise<void> {
    const states = await Promise.all(running.map((server) => this.#stateOf(server)));
    const leaders = new Set(states.map(({ leader }) => leader));
    // Only the leader knows the lag of the others.
    const current = states.flatMap(({ replicas = [] }) => replicas.filter((each) => each.current && !each.offline));
    if (leaders.size !== 1 || leaders.has('') || current.length < running.length - 1) {
      throw new Error(JSON.stringify(states));
    }
  }

  async #stateOf(server: NatsServer): Promise<NonNullable<MetaGroup['meta_cluster']>> {
    const { status, ...problem } = await server.monitor<{ readonly status: string }>('healthz');
    const { meta_cluster: state } = await server.monitor<MetaGroup>('jsz');
    if (status !== 'ok' || state?.leader === undefined) throw new Error(JSON.stringify({ ...problem, ...state }));
    return state;
  }
}

/** Starts a NATS cluster on free ports of 127.0.0.1. Resolves when JetStream replicates to all members. */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { size = 3, ...rest } = options;
  const servers = await startOnFreePorts(async () => {
    const ports = await freePorts(2 * size);
    const routes = ports.slice(size);
    return Promise.all(ports.slice(0, size).map((port, n) => makeMember(port, routes[n] ?? 0, routes, rest)));
  });
  return usable(new NatsCluster(servers));
}

function makeMember(port: number, own: number, routes: readonly number[], options: NatsOptions): Promise<NatsServer> {
  const urls = routes.map((route) => `nats://127.0.0.1:${route}`);
  const line = `cluster: ${JSON.stringify({ name: 'testbed', listen: `127.0.0.1:${own}`, routes: urls })}`;
  return makeNats(port, { ...options, config: [line, ...(options.config ?? [])] }, false);
}
