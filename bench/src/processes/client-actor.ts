/** Runs the verbs of a target in a process of its own, and counts what arrives. */

import { type Body, type BodyHandler, type Client, makeBody, sharedClockMs, type TargetLocation } from '../client.ts';
import { percentile } from '../figures.ts';
import type { Target } from '../targets/target.ts';
import { TARGETS } from '../targets/targets.ts';
import { cpuMs, rssBytes } from './usage.ts';

/** Messages to send, and how many calls are in flight. */
export interface SendLoad {
  readonly count: number;
  readonly inFlight: number;
  readonly bodyBytes: number;
}

/** The result of sending a load. */
export interface SendSummary {
  /** The slowest call, in milliseconds. */
  readonly slowestMs: number;
  readonly p99Ms: number;
}

/** A message that measures the wake-up, on the shared clock. */
export interface Ping {
  readonly calledAt: number;
  readonly storedAt: number;
}

/** A ping that arrived. */
export interface Pong {
  readonly calledAt: number;
  readonly arrivedAt: number;
}

/** The verbs. `ActorProcess` calls them from another process. */
export class ClientActor {
  #open: () => Promise<Client> = () => Promise.reject(new Error('no target is open'));
  #batch = false;
  readonly #clients: Client[] = [];
  readonly #pongs: Pong[] = [];
  #events = new Countdown(0);

  async open(name: string, location: TargetLocation): Promise<void> {
    const target = TARGETS[name] as Target;
    this.#open = () => target.open(location);
    this.#batch = target.batch === true;
    await this.#openClient();
  }

  async produce(load: SendLoad): Promise<SendSummary> {
    return sendAll(this.#verb('send'), this.#batch, load);
  }

  /** Handles and settles `count` messages, which are all messages of the queue. */
  async consume(count: number, inFlight: number): Promise<void> {
    const left = new Countdown(count);
    const stop = await this.#verb('work')(inFlight, left.take);
    await left.done;
    await stop();
    left.check();
  }

  /** Sends one message with the time of the call. */
  async ping(): Promise<Ping> {
    const calledAt = sharedClockMs();
    await this.#verb('send')([{ ...makeBody(0, 64), calledAt }]);
    return { calledAt, storedAt: sharedClockMs() };
  }

  /** Receives messages of {@link ping} and records their arrival for {@link pongs}. */
  async listen(): Promise<void> {
    await this.#verb('work')(1, ({ calledAt = 0 }) => void this.#pongs.push({ calledAt, arrivedAt: sharedClockMs() }));
  }

  async pongs(): Promise<readonly Pong[]> {
    return this.#pongs.splice(0);
  }

  /** Responds to requests from now on. */
  async respond(): Promise<void> {
    await this.#verb('respond')();
  }

  /** Sends `count` requests, `inFlight` at a time; resolves to the time of each, in milliseconds. */
  async request(count: number, inFlight: number): Promise<readonly number[]> {
    const request = this.#verb('request');
    const times: number[] = [];
    await runConcurrently(inFlight, count, async (index) => {
      const began = performance.now();
      const response = await request(index);
      if (response !== index * 2) throw new Error(`expected the double of ${index}, got ${String(response)}`);
      times.push(performance.now() - began);
    });
    return times;
  }

  /** Publishes events. */
  async publish(load: SendLoad): Promise<SendSummary> {
    const publish = this.#verb('publish');
    return sendAll(([body]) => publish(body as Body), false, load);
  }

  /** Adds `count` subscribers, each with a connection of its own. */
  async subscribe(count: number): Promise<void> {
    const subscribe = async (client: Client): Promise<void> => client.subscribe?.((body) => this.#events.take(body));
    for (let index = 0; index < count; index += 1) await subscribe(await this.#openClient());
  }

  /** Expects `count` events from now on, over all subscribers. */
  async expect(count: number): Promise<void> {
    this.#events = new Countdown(count, 'many times');
  }

  /** Resolves once the expected events have arrived. */
  async received(): Promise<void> {
    await this.#events.done;
  }

  /** Waits for work until the process ends. */
  async idle(): Promise<void> {
    const [client] = this.#clients;
    await (client?.idle?.() ?? this.#verb('work')(1, () => undefined));
  }

  /** Opens a waiting agent for each number from `first` to before `end`, each with a connection of its own or all with one. */
  async join(first: number, end: number, connections: 'own' | 'shared'): Promise<void> {
    const joinOne = async (index: number): Promise<void> => {
      if (connections === 'own') await this.#openClient();
      await this.#verb('join', this.#clients.at(-1))(`@member-${first + index}`, (body) => this.#events.take(body));
    };
    await runConcurrently(JOINS_AT_ONCE, end - first, joinOne);
  }

  /** Sends a message of the highest priority to each of the first `count` members. */
  async mail(count: number, inFlight: number): Promise<void> {
    const mail = this.#verb('mail');
    await runConcurrently(inFlight, count, (index) => mail(`@member-${index}`, makeBody(index, 64)));
  }

  /** Leases a message of the work queue for an hour. */
  async hold(): Promise<void> {
    await this.#verb('hold')();
  }

  /** Whether the target copies its history meanwhile. */
  async canCopy(): Promise<boolean> {
    return this.#clients[0]?.copy !== undefined;
  }

  /** Copies a history of events until the process ends. */
  async copy(events: number, bodyBytes: number): Promise<void> {
    await this.#verb('copy')({ events, bodyBytes });
  }

  async cpuMs(): Promise<number> {
    return cpuMs();
  }

  async rssBytes(): Promise<number> {
    return rssBytes();
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #openClient(): Promise<Client> {
    const client = await this.#open();
    this.#clients.push(client);
    return client;
  }

  #verb<V extends Exclude<keyof Client, 'close'>>(verb: V, client = this.#clients[0]): NonNullable<Client[V]> {
    const method = client?.[verb];
    if (method === undefined) throw new Error(`this target cannot ${verb}`);
    return method.bind(client) as NonNullable<Client[V]>;
  }
}

/** Members that join at the same time. */
const JOINS_AT_ONCE = 20;

/** Counts arriving messages; a lost or repeated message makes the run fail. */
class Countdown {
  readonly done: Promise<void>;
  readonly take: BodyHandler;
  #repeated = 0;

  constructor(count: number, each: 'once' | 'many times' = 'once') {
    const { promise, resolve } = Promise.withResolvers<void>();
    const seen = new Uint8Array(each === 'once' ? count : 0);
    let left = count;
    this.done = promise;
    this.take = ({ index }) => {
      if (seen[index] === 1) this.#repeated += 1;
      seen[index] = 1;
      left -= 1;
      if (left === 0) resolve();
    };
  }

  check(): void {
    if (this.#repeated > 0) throw new Error(`${this.#repeated} messages arrived twice`);
  }
}

/** Sends one message in each call; with `batch`, as many as other targets have in flight. */
async function sendAll(
  send: (bodies: readonly Body[]) => Promise<void>,
  batch: boolean,
  { count, inFlight, bodyBytes }: SendLoad,
): Promise<SendSummary> {
  const size = batch ? inFlight : 1;
  const times: number[] = [];
  await runConcurrently(batch ? 1 : inFlight, Math.ceil(count / size), async (turn) => {
    const first = turn * size;
    const length = Math.min(size, count - first);
    const bodies = Array.from({ length }, (_, index) => makeBody(first + index, bodyBytes));
    const began = performance.now();
    await send(bodies);
    times.push(performance.now() - began);
  });
  return { slowestMs: percentile(times, 1), p99Ms: percentile(times, 0.99) };
}

/** Runs `run` `count` times, `inFlight` at a time. */
async function runConcurrently(inFlight: number, count: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, runner));
}
