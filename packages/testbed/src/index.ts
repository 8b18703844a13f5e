// Shared by tests, benchmarks and the demonstration. It runs from source only.

export { freePort } from './free-port.ts';
export {
  Child,
  type ChildOptions,
  type ExitStatus,
  type NextOptions,
  type Outcome,
  type RunOptions,
  runNode,
  spawnChild,
} from './processes/child.ts';
export { isAlive } from './processes/is-alive.ts';
export { onParentMessage, sendToParent } from './processes/parent.ts';
export { type Endpoint, FaultProxy, openProxy, type ProxyOptions } from './proxy/proxy.ts';
export type { Direction } from './proxy/proxy-lane.ts';
export { type Certificates, TEST_CERTIFICATES } from './servers/certificates.ts';
export { type FoundServer, findServer, missingServer, needServer, type ServerProgram } from './servers/find-server.ts';
export { type NatsOptions, NatsServer, type NatsUser, startNats } from './servers/nats.ts';
export { NatsCluster, type NatsClusterOptions, startNatsCluster } from './servers/nats-cluster.ts';
export type { RealServer } from './servers/real-server.ts';
export { type RedisOptions, RedisServer, startRedis } from './servers/redis.ts';
export type { RedisReply } from './servers/redis-call.ts';
export { RedisCluster, type RedisClusterOptions, startRedisCluster } from './servers/redis-cluster.ts';
export { RedisSentinel, type RedisSentinelOptions, startRedisSentinel } from './servers/redis-sentinel.ts';
export { type TempDir, tempDir } from './temp-dir.ts';
export { type WaitOptions, waitFor } from './wait-for.ts';
