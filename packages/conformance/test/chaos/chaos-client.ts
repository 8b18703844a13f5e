// A client of a round: it sends, consumes, requests, publishes, subscribes, locks and sends heartbeats, all at modest rates.
import { setTimeout as pause } from 'node:timers/promises';
import { type BackgroundFailure, type Bus, openBus, RejectError } from '@busbar/api';
import type { Delivery, Settlement, Transport } from '@busbar/api/transport';
import { CallTimer, describe } from './call-timer.ts';
import { type Action, type Fact, now, type SendOutcome } from './fact.ts';

/** What a client needs. */
export interface ClientSetting {
  readonly name: string;
  /** The number of its process, from 1. */
  readonly life: number;
  /** The names of all clients. */
  readonly peers: readonly string[];
  readonly random: () => number;
  /** Resolves when the fact is written, so that it survives a kill. */
  readonly report: (fact: Fact) => Promise<void>;
}

export const WORK = 'work';
export const JOBS = 'jobs';
export const EVENTS = 'events';
/** Handlers of jobs publish one event each. */
export const DONE = 'done';

/** The stream of mail to a client. */
export function mailOf(name: string): string {
  return `mail:${name}`;
}

const LOOPS = 2;
/** The mean time between two sends of a loop. */
const PERIOD_MS = 110;
const LEASE_MS = 3_000;
const CALL_MS = 5_000;
const LOCK_LEASE_MS = 1_500;
/** How much longer a wait for a lock may take while the server does not answer. */
const LAST_ATTEMPT_MS = 5_000;
const MAX_SENDS = 3;
const RETRY = { baseMs: 50, factor: 2, maxMs: 1_000 } as const;
/** Later attempts of a message fail no more, so that a round can end. */
const MAX_FAILURES = 3;
/** What a bus may report while faults happen. */
const REPORTED = ['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'DATA_LOSS', 'LEASE_LOST', 'HANDLER_FAILED', 'NOT_FOUND'];

/** One client. */
export class ChaosClient {
  readonly #setting: ClientSetting;
  readonly #bus: Bus;
  readonly #timer: CallTimer;
  readonly #stop = new AbortController();
  readonly #close = new AbortController();
  #producing: Promise<unknown> = Promise.resolve();
  #consuming: Promise<unknown> = Promise.resolve();

  constructor(transport: Transport, setting: ClientSetting) {
    this.#setting = setting;
    this.#timer = new CallTimer((text) => this.#wrong(text), this.#close.signal);
    this.#bus = openBus(transport, { presenceTtlMs: 3_000, onError: (failure) => this.#hear(failure) });
    transport.onReset(() => void this.#configure());
  }

  /** Declares what it consumes, and begins. Rejects if a fault prevents that. */
  async start(): Promise<void> {
    const { name } = this.#setting;
    await this.#configure();
    const agent = await this.#bus.agent(name, { leaseMs: LEASE_MS, retry: RETRY, maxAttempts: 1_000 });
    agent.handle<Body>('note', ({ body, attempt }) => this.#handle(mailOf(name), body, attempt));
    agent.handle('echo', ({ body }) => body);
    const durable = { leaseMs: LEASE_MS, retry: RETRY, maxAttempts: 1_000, concurrency: 4 };
    for (const durableName of ['shared', `own-${name.slice(1)}`]) {
      const take = ({ body, attempt }: Received): Promise<void> => this.#handle(`sub:${durableName}`, body, attempt);
      await this.#bus.subscribe('news.*', take, { ...durable, durableName });
    }
    const live = `live:${name}/${this.#setting.life}`;
    const subscription = await this.#bus.subscribe<Body>('news.*', ({ body }) => this.#got(live, body, 1));
    void subscription.ended.then((error) => error && this.#wrong(`a live subscription ended: ${describe(error)}`));
    await this.#bus.process<Body>(
      JOBS,
      async ({ body, attempt }, context) => {
        await this.#handle(JOBS, body, attempt);
        await context.publish(DONE, { id: body.id });
      },
      durable,
    );
    await this.#report({ kind: 'ready' });
    this.#producing = Promise.all([
      ...Array.from({ length: LOOPS }, (_, loop) => this.#produce(loop)),
      this.#lock(),
      this.#increment(),
    ]);
    this.#consuming = this.#consume();
    // Each loop catches the errors of its calls, so what comes here is unhandled.
    for (const work of [this.#producing, this.#consuming])
      work.catch((error: unknown) => this.#wrong(`a loop ended: ${describe(error)}`));
  }

  /** Sends nothing more; consuming goes on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#producing;
    await this.#report({ kind: 'stopped' });
  }

  /** Closes the bus in order. */
  async close(leases: 'release' | 'keep' = 'release'): Promise<void> {
    this.#stop.abort();
    this.#close.abort();
    const drainMs = leases === 'keep' ? 0 : 2_000;
    await this.#timer.run('close', drainMs + 8_000, [], () => this.#bus.close({ drainMs, leases }));
    await this.#report({ kind: 'closed' });
  }

  async #produce(loop: number): Promise<void> {
    const { name, life, random, peers } = this.#setting;
    const { signal } = this.#stop;
    const key = `${name}/${life}/${loop}`;
    for (let n = 0; !signal.aborted; n += 1) {
      await this.#rest(2 * PERIOD_MS * random(), signal);
      const body: Body = { id: `${key}#${n}`, key };
      const dice = random();
      const to = peers[Math.floor(random() * peers.length)] ?? name;
      const options = { id: body.id, timeoutMs: CALL_MS };
      if (dice < 0.35) await this.#sendWork(body, true);
      else if (dice < 0.5) await this.#sendWork(body, false);
      else if (dice < 0.65) {
        const send = (): Promise<unknown> => this.#bus.send(to, 'note', body, { ...options, orderingKey: key });
        await this.#send(mailOf(to), body.id, send, ['NOT_FOUND']);
      } else if (dice < 0.82) {
        const send = (): Promise<unknown> => this.#bus.publish('news.today', body, { ...options, orderingKey: key });
        await this.#send(EVENTS, body.id, send);
      } else if (dice < 0.9) {
        const job = { timeoutMs: CALL_MS, dedupeKey: body.id };
        await this.#send(JOBS, body.id, () => this.#bus.enqueue(JOBS, body, job));
      } else await this.#request(to, body);
    }
  }

  #sendWork(body: Body, isOrdered: boolean): Promise<void> {
    const { random } = this.#setting;
    const delayMs = !isOrdered && random() < 0.3 ? Math.round(random() * 1_500) : 0;
    const message = {
      id: body.id,
      body: Buffer.from(JSON.stringify(body)),
      ...(isOrdered ? { orderingKey: body.key } : { priority: Math.floor(random() * 10), delayMs }),
    };
    const send = async (): Promise<void> => {
      const [result] = await this.#bus.transport.queues.send(WORK, [message], { timeoutMs: CALL_MS });
      if (result?.error !== undefined) throw result.error;
    };
    return this.#send(WORK, body.id, send, [], delayMs);
  }

  /** Repeats a send while its outcome is unknown, with the same id, and reports what became of it. */
  async #send(
    stream: string,
    id: string,
    send: () => Promise<unknown>,
    codes: readonly string[] = [],
    delayMs = 0,
  ): Promise<void> {
    const calledAt = now();
    let outcome: SendOutcome = 'failed';
    for (let tries = 1; tries <= MAX_SENDS && !this.#close.signal.aborted; tries += 1) {
      const result = await this.#timer.run(`sending to ${stream}`, CALL_MS, codes, send);
      const isUnknown: boolean = 'error' in result && (outcome === 'unknown' || result.error.outcome === 'unknown');
      outcome = 'value' in result ? 'stored' : isUnknown ? 'unknown' : 'failed';
      if (outcome !== 'unknown') break;
    }
    await this.#report({ kind: 'sent', stream, id, outcome, calledAt, delayMs });
  }

  async #request(to: string, body: Body): Promise<void> {
    const codes = ['NO_RESPONDER', 'NOT_FOUND', 'HANDLER_FAILED', 'CLOSED'];
    const ask = (): Promise<Body> => this.#bus.request<Body>(to, 'echo', body, { timeoutMs: CALL_MS });
    const result = await this.#timer.run('request', CALL_MS, codes, ask);
    if ('value' in result && result.value.id !== body.id) this.#wrong(`the response to ${body.id}: ${result.value.id}`);
  }

  async #consume(): Promise<void> {
    const { name } = this.#setting;
    const { queues } = this.#bus.transport;
    const { signal } = this.#close;
    const options = { max: 4, waitMs: 1_000, timeoutMs: CALL_MS, consumer: name };
    while (!signal.aborted) {
      const calledAt = now();
      const result = await this.#timer.run('receive', 1_000 + CALL_MS, [], () => queues.receive(WORK, options));
      if ('error' in result) await this.#rest(100, signal);
      else if (result.value.length > 0) await this.#work(result.value, calledAt);
    }
  }

  /** Begins each delivery whose lease is not over, and settles them together. */
  async #work(deliveries: readonly Delivery[], calledAt: number): Promise<void> {
    const { random } = this.#setting;
    const begun: Delivery[] = [];
    for (const delivery of deliveries) {
      if (performance.now() >= (delivery.leaseEndsAt ?? Number.POSITIVE_INFINITY)) continue;
      begun.push(delivery);
      const { id, attempt, orderingKey } = delivery;
      await this.#report({
        kind: 'got',
        stream: WORK,
        id,
        attempt,
        calledAt,
        ...(orderingKey && { key: orderingKey }),
      });
    }
    await pause(random() < 0.02 ? LEASE_MS + 500 : random() * 60);
    const settlements = begun.map((delivery) => this.#settlementOf(delivery));
    const settle = () => this.#bus.transport.queues.settle(settlements, { timeoutMs: CALL_MS });
    const result = await this.#timer.run('settle', CALL_MS, [], settle);
    for (const [index, { id, attempt }] of begun.entries()) {
      const isDone = 'value' in result && result.value[index]?.status === 'done';
      const isEnd = ['ack', 'reject'].includes(settlements[index]?.action ?? '');
      if (isDone && isEnd) await this.#report({ kind: 'ended', stream: WORK, id, attempt });
    }
  }

  #settlementOf({ receipt, orderingKey, attempt }: Delivery): Settlement {
    const { random } = this.#setting;
    const dice = random();
    if (attempt > MAX_FAILURES || dice < 0.85) return { receipt, action: 'ack' };
    if (dice < 0.93) return { receipt, action: 'retry', delayMs: orderingKey === undefined ? 200 : 0 };
    if (dice < 0.96) return { receipt, action: 'release' };
    return { receipt, action: orderingKey === undefined ? 'reject' : 'ack' };
  }

  /** Handles what the bus delivers. */
  async #handle(stream: string, body: Body, attempt: number): Promise<void> {
    const { random } = this.#setting;
    await this.#got(stream, body, attempt);
    await pause(random() * 20);
    if (attempt > MAX_FAILURES) return;
    const dice = random();
    if (dice < 0.05) throw new Error('a failure by chance');
    // A rejected job would publish nothing.
    if (dice < 0.06 && stream !== JOBS) throw new RejectError('a rejection by chance');
  }

  async #lock(): Promise<void> {
    const { random } = this.#setting;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#rest(800 * random(), signal);
      const askedAt = now();
      const ask = () => this.#bus.lock('door', { leaseMs: LOCK_LEASE_MS, waitMs: CALL_MS });
      const result = await this.#timer.run('lock', CALL_MS + LAST_ATTEMPT_MS, [], ask);
      if ('error' in result) continue;
      const lock = result.value;
      const { token } = lock;
      await this.#report({ kind: 'locked', token, askedAt });
      for (let writes = Math.floor(random() * 10); writes > 0 && !this.#close.signal.aborted; writes -= 1) {
        const at = now();
        if (lock.lost) break;
        await this.#report({ kind: 'wrote', token }, at);
        await pause(50);
      }
      await this.#timer.run('release', 30_000, [], () => lock.release());
    }
  }

  /** Adds 1 to a number by compare-and-set. */
  async #increment(): Promise<void> {
    const { random } = this.#setting;
    const { signal } = this.#stop;
    const { kv } = this.#bus.transport;
    while (!signal.aborted) {
      await this.#rest(1_000 * random(), signal);
      const bounds = { timeoutMs: CALL_MS };
      const read = await this.#timer.run('get', CALL_MS, [], () => kv.get('counter', bounds));
      if ('error' in read) continue;
      const value = read.value === undefined ? 0 : Number(Buffer.from(read.value.value).toString());
      const put = { ...bounds, ifRevision: read.value?.revision ?? 0 };
      const next = Buffer.from(String(value + 1));
      await this.#report({ kind: 'incrementing' });
      const result = await this.#timer.run('put', CALL_MS, [], () => kv.put('counter', next, put));
      const isStored = 'value' in result && result.value.status === 'stored';
      const outcome: SendOutcome = isStored ? 'stored' : 'error' in result ? result.error.outcome : 'failed';
      await this.#report({ kind: 'incremented', outcome });
    }
  }

  /** Sets what a bus does not own, until that succeeds. */
  async #configure(): Promise<void> {
    const { signal } = this.#close;
    for (; !signal.aborted; await this.#rest(200, signal)) {
      const set = () => this.#bus.transport.queues.configure(WORK, { leaseMs: LEASE_MS, maxAttempts: 1_000 });
      if ('value' in (await this.#timer.run('configure', 30_000, [], set))) return;
    }
  }

  #got(stream: string, { id, key }: Body, attempt: number): Promise<void> {
    return this.#report({ kind: 'got', stream, id, attempt, key });
  }

  #hear({ error, place }: BackgroundFailure): void {
    if (error.code === 'DATA_LOSS') void this.#report({ kind: 'lossReported' });
    // The handler of the live subscription never fails by chance.
    const isLive = error.message.startsWith('the handler of event');
    if (isLive || !REPORTED.includes(error.code)) this.#wrong(`reported at ${place}: ${describe(error)}`);
  }

  #wrong(text: string): void {
    void this.#report({ kind: 'wrong', text });
  }

  #report(action: Action, at = now()): Promise<void> {
    const { name: client, life, report } = this.#setting;
    return report({ ...action, client, life, at });
  }

  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await pause(ms, undefined, { signal }).catch(() => undefined);
  }
}

interface Body {
  readonly id: string;
  readonly key: string;
}

interface Received {
  readonly body: Body;
  readonly attempt: number;
}
