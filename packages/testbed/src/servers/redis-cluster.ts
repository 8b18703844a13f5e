// A Redis Cluster to throw away.
import { waitFor } from '../wait-for.ts';
import { makeRedis, type RedisOptions, type RedisServer } from './redis.ts';
import { freePorts, ServerGroup, startOnFreePorts, usable } from './server-group.ts';

/** How to start a Redis Cluster. */
export interface RedisClusterOptions extends Omit<RedisOptions, 'proxy' | 'tls'> {
  /** Default 3. */
  readonly masters?: number;
  /** Replicas of each master; default 0. */
  readonly replicas?: number;
}

const SLOTS = 16_384;
/** After this long without an answer a server counts as dead. */
const NODE_TIMEOUT_MS = 1_000;

/** A running Redis Cluster: masters first, then their replicas in the same order. */
export class RedisCluster extends ServerGroup<RedisServer> {
  protected async assertUsable(running: readonly RedisServer[]): Promise<void> {
    for (const server of running) {
      const info = await fieldsOf(server, 'CLUSTER', 'INFO');
      if (info['cluster_state'] !== 'ok' || info['cluster_known_nodes'] !== String(this.servers.length)) {
        throw new Error(`${server.url}: ${JSON.stringify(info)}`);
      }
      const replication = await fieldsOf(server, 'INFO', 'replication');
      if (replication['role'] === 'slave' && replication['master_link_status'] !== 'up') {
        throw new Error(`${server.url} has not caught up with its master`);
      }
    }
  }
}

/** Starts a Redis Cluster on free ports of 127.0.0.1; resolves once it takes commands for every slot. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0, ...rest } = options;
  const count = masters * (1 + replicas);
  const servers = await startOnFreePorts(async () => {
    const ports = await freePorts(2 * count);
    return Promise.all(ports.slice(0, count).map((port, n) => makeMember(port, ports[count + n] ?? 0, rest)));
  });
  return usable(new RedisCluster(servers), async () => {
    await introduce(servers);
    await Promise.all(servers.slice(0, masters).map((server, n) => giveSlots(server, n, masters)));
    await follow(servers, masters);
  });
}

function makeMember(port: number, busPort: number, options: RedisOptions): Promise<RedisServer> {
  const lines = ['cluster-enabled yes', `cluster-port ${busPort}`, `cluster-node-timeout ${NODE_TIMEOUT_MS}`];
  return makeRedis(port, { ...options, config: [...lines, ...(options.config ?? [])] });
}

/** Makes all known to the first; gossip does the rest. Different epochs spare them a quarrel about it. */
async function introduce(servers: readonly RedisServer[]): Promise<void> {
  for (const [n, server] of servers.entries()) await server.call('CLUSTER', 'SET-CONFIG-EPOCH', String(n + 1));
  const [first, ...others] = servers;
  for (const { port, busPort } of await Promise.all(others.map(addressOf))) {
    await first?.call('CLUSTER', 'MEET', '127.0.0.1', String(port), busPort);
  }
}

async function addressOf(server: RedisServer): Promise<{ readonly port: number; readonly busPort: string }> {
  const [, busPort = ''] = (await server.call('CONFIG', 'GET', 'cluster-port')) as string[];
  return { port: server.port, busPort };
}

async function giveSlots(server: RedisServer, n: number, masters: number): Promise<void> {
  const first = Math.floor((n * SLOTS) / masters);
  const last = Math.floor(((n + 1) * SLOTS) / masters) - 1;
  await server.call('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
}

/** Makes all beyond the masters replicas of one, as soon as they know it. */
async function follow(servers: readonly RedisServer[], masters: number): Promise<void> {
  for (const [n, server] of servers.entries()) {
    if (n < masters) continue;
    const master = servers[n % masters];
    const id = String(await master?.call('CLUSTER', 'MYID'));
    await waitFor(async () => server.call('CLUSTER', 'REPLICATE', id), { what: 'a replica to know its master' });
  }
}

/** What `INFO` and its like answer: a field a line. */
async function fieldsOf(server: RedisServer, ...command: readonly string[]): Promise<Record<string, string>> {
  const lines = String(await server.call(...command)).split('\r\n');
  return Object.fromEntries(lines.map((line) => line.split(':')));
}
