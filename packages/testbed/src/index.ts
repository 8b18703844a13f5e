// What tests, benchmarks and the demonstration share. It runs from source only.
export { Child, type ChildOptions, type ExitStatus, type NextOptions, spawnChild } from './child.ts';
export { freePort } from './free-port.ts';
export { isAlive } from './is-alive.ts';
export { describeMachine, type Machine } from './machine.ts';
export { onParentMessage, sendToParent } from './parent.ts';
export { type Endpoint, FaultProxy, openProxy, type ProxyOptions } from './proxy.ts';
export type { Direction } from './proxy-faults.ts';
export { type Outcome, type RunOptions, runNode } from './run-node.ts';
export type { Certificates } from './servers/certificates.ts';
export { type FoundServer, findServer, missingServer, needServer, type ServerProgram } from './servers/find-server.ts';
export { type NatsOptions, NatsServer, type NatsUser, startNats } from './servers/nats.ts';
export type { RealServer } from './servers/real-server.ts';
export { type RedisOptions, RedisServer, startRedis } from './servers/redis.ts';
export type { RedisReply } from './servers/redis-call.ts';
export { type TempDir, tempDir } from './temp-dir.ts';
export { type WaitOptions, waitFor } from './wait-for.ts';
