/** The program of a client process: opens a transport and runs the calls of its parent. */

import * as modules from 'node:module';
import type { MessageInput, ReceiveOptions, Settlement, Transport } from '@busbar/api/transport';
import { consume, produce, type ReportProgress, runLoad } from './produce-consume.ts';
import {
  type ConsumeOptions,
  type FromClient,
  type Method,
  type ProduceOptions,
  packError,
  packResults,
  type ToClient,
} from './protocol.ts';

const encoder = new TextEncoder();
const loads = new Map<number, AbortController>();
let transport: Transport | undefined;

process.once('disconnect', orphaned);
process.on('message', (message: ToClient) => {
  void (message.kind === 'start' ? start(message) : respond(message));
});

async function start({ opener }: Extract<ToClient, { kind: 'start' }>): Promise<void> {
  try {
    const module: Record<string, (argument: unknown) => Promise<Transport>> = await import(opener.module);
    transport = await module[opener.name]?.(opener.argument);
    if (transport === undefined) throw new Error(`${opener.module} has no opener ${opener.name}`);
    // A process that is killed stores nothing of what it compiled, and the next one would compile it again.
    modules.flushCompileCache?.();
    tell({ kind: 'started' });
  } catch (error) {
    tell({ kind: 'refused', error: packError(error) });
  }
}

async function respond({ id, method, args }: Extract<ToClient, { kind: 'call' }>): Promise<void> {
  try {
    if (transport === undefined) throw new Error('not started');
    const value = await call(transport, method, args);
    tell(
      { kind: 'response', id, value: packResults(value) },
      method === 'close' || method === 'leave' ? leave : undefined,
    );
  } catch (error) {
    tell({ kind: 'error', id, error: packError(error) });
  }
}

function orphaned(): void {
  process.exit(1);
}

type Handler = (transport: Transport, ...args: never[]) => unknown;

const handlers: Record<Method, Handler> = {
  send: ({ queues }, queue: string, messages: MessageInput[]) => queues.send(queue, messages),
  receive: ({ queues }, queue: string, options?: ReceiveOptions) => queues.receive(queue, options),
  settle: ({ queues }, settlements: Settlement[]) => queues.settle(settlements),
  publish: ({ topics }, topic: string, messages: MessageInput[]) => topics.publish(topic, messages),
  put: ({ kv }, key: string, text: string, options?: { ttlMs?: number; ifRevision?: number }) =>
    kv.put(key, encoder.encode(text), options),
  get: ({ kv }, key: string) => kv.get(key),
  run,
  produce: (client, queue: string, options: ProduceOptions) =>
    load((signal, progress) => produce(client, queue, options, signal, progress)),
  consume: (client, queue: string, options: ConsumeOptions = {}) =>
    load((signal, progress) => consume(client, queue, options, signal, progress)),
  stopLoad: (_transport, number: number) => loads.get(number)?.abort(),
  block: (_transport, ms: number) => block(ms),
  shiftClock: (_transport, ms: number) => shiftClock(ms),
  close: (client) => client.close(),
  leave: () => undefined,
};

async function call(client: Transport, method: Method, args: readonly unknown[]): Promise<unknown> {
  return handlers[method](client, ...(args as never[]));
}

async function run(client: Transport, url: string, name: string, argument: unknown): Promise<unknown> {
  const module: Record<string, (transport: Transport, argument: unknown) => unknown> = await import(url);
  const work = module[name];
  if (work === undefined) throw new Error(`${url} has no export ${name}`);
  return work(client, argument);
}

function load(begin: (signal: AbortSignal, progress: ReportProgress) => Promise<void>): number {
  const number = loads.size + 1;
  const controller = new AbortController();
  loads.set(number, controller);
  const progress: ReportProgress = (what) => tell({ kind: 'load', load: number, ...what });
  void runLoad(begin(controller.signal, progress), controller.signal, progress);
  return number;
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) Math.random();
}

/** Replaces Date to simulate a changed wall clock: new dates and `Date.now()` are off by `ms`. */
function shiftClock(ms: number): void {
  const Real =
    Object.getPrototypeOf(Date) === Function.prototype ? Date : (Object.getPrototypeOf(Date) as DateConstructor);
  globalThis.Date = class extends Real {
    constructor(...args: ConstructorParameters<DateConstructor> | []) {
      super(...((args.length === 0 ? [Real.now() + ms] : args) as [number]));
    }
    static override now(): number {
      return Real.now() + ms;
    }
  } as DateConstructor;
}

/** Disconnects so that the process ends by itself. What the transport has pending or leaked keeps it alive. */
function leave(): void {
  process.off('disconnect', orphaned);
  process.disconnect();
}

function tell(message: FromClient, then?: () => void): void {
  // If the parent has ended, `disconnect` ends this process.
  process.send?.(message, undefined, undefined, () => then?.());
}
