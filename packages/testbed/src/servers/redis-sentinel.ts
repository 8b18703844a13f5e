// A temporary Redis with replicas and sentinels.
import { randomBytes } from 'node:crypto';
import { makeRedis, type RedisOptions, type RedisServer } from './redis.ts';
import { freePorts, ServerGroup, startOnFreePorts, usable } from './server-group.ts';

/** Options of {@link startRedisSentinel}. */
export interface RedisSentinelOptions {
  /** Default 1. */
  readonly replicas?: number;
  /** As in {@link RedisOptions}, for the master and its replicas. */
  readonly config?: readonly string[];
  readonly password?: string;
}

const SENTINELS = 3;
const QUORUM = 2;
const DOWN_AFTER_MS = 500;
const FAILOVER_TIMEOUT_MS = 3_000;

/** Master, replicas and sentinels. */
export class RedisSentinel extends ServerGroup<RedisServer> {
  /** The sentinels' name of the master. */
  readonly name = 'busbar';
  readonly data: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  /** @internal use {@link startRedisSentinel} */
  constructor(data: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    super([...data, ...sentinels]);
    this.data = data;
    this.sentinels = sentinels;
  }

  /** Returns the master that the running sentinels agree on. Throws if they disagree. */
  async master(): Promise<RedisServer> {
    const asked = this.sentinels.filter(({ isRunning }) => isRunning);
    const answers = await Promise.all(asked.map((sentinel) => this.#masterPort(sentinel)));
    const master = this.data.find(({ port }) => answers.every((answer) => answer === port));
    if (asked.length > 0 && master) return master;
    throw new Error(`sentinels name ${answers.join(', ')} as the master`);
  }

  protected async assertUsable(running: readonly RedisServer[]): Promise<void> {
    const master = await this.master();
    const info = String(await master.call('INFO', 'replication'));
    const replicas = this.data.filter((server) => running.includes(server) && server !== master);
    const online = info.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
    if (!info.includes('role:master') || online < replicas.length) throw new Error(info);
    for (const sentinel of this.sentinels) {
      if (!running.includes(sentinel)) continue;
      await sentinel.call('SENTINEL', 'CKQUORUM', this.name);
      // Sentinels do not promote a replica they have not polled yet.
      const known = (await sentinel.call('SENTINEL', 'REPLICAS', this.name)) as string[][];
      const ready = known.filter((fields) => fieldOf(fields, 'flags') === 'slave' && isLinked(fields));
      if (ready.length < replicas.length) throw new Error(`${sentinel.url} knows ${ready.length} replicas`);
    }
  }

  async #masterPort(sentinel: RedisServer): Promise<number> {
    const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name)) as string[];
    return Number(port);
  }
}

/** Starts it on free ports of 127.0.0.1. Resolves when a failover would succeed. */
export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { replicas = 1, ...rest } = options;
  const count = 1 + replicas;
  const servers = await startOnFreePorts(async () => {
    const ports = await freePorts(count + SENTINELS);
    const data = ports.slice(0, count);
    const sentinels = ports.slice(count).map((port) => ({ port, id: randomBytes(20).toString('hex') }));
    return Promise.all([
      ...data.map((port, n) => makeData(port, n === 0 ? undefined : data[0], rest)),
      ...sentinels.map((self) => makeSentinel(self, sentinels, data, rest.password)),
    ]);
  });
  return usable(new RedisSentinel(servers.slice(0, count), servers.slice(count)));
}

function makeData(port: number, master: number | undefined, options: RedisOptions): Promise<RedisServer> {
  const lines = [
    'repl-diskless-sync-delay 0',
    `replica-priority ${master === undefined ? 100 : 50}`,
    ...(master === undefined ? [] : [`replicaof 127.0.0.1 ${master}`]),
  ];
  return makeRedis(port, { ...options, config: [...lines, ...(options.config ?? [])] });
}

interface SentinelId {
  readonly port: number;
  readonly id: string;
}

/** Configures the sentinels with each other and the replicas. Discovery would take ten seconds. */
function makeSentinel(
  self: SentinelId,
  all: readonly SentinelId[],
  [master, ...replicas]: readonly number[],
  password: string | undefined,
): Promise<RedisServer> {
  const name = 'busbar';
  const config = [
    'appendonly no',
    `sentinel myid ${self.id}`,
    `sentinel monitor ${name} 127.0.0.1 ${master} ${QUORUM}`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${JSON.stringify(password)}`]),
    `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${name} ${FAILOVER_TIMEOUT_MS}`,
    ...replicas.map((port) => `sentinel known-replica ${name} 127.0.0.1 ${port}`),
    ...all
      .filter(({ id }) => id !== self.id)
      .map(({ port, id }) => `sentinel known-sentinel ${name} 127.0.0.1 ${port} ${id}`),
  ];
  return makeRedis(self.port, { config }, ['--sentinel']);
}

function isLinked(fields: readonly string[]): boolean {
  return fieldOf(fields, 'master-link-status') === 'ok';
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  return fields[fields.indexOf(name) + 1];
}
