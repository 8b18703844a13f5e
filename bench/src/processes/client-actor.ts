/** What a process can be told to do with the subject that it has opened. */

import { type Body, type Client, type Handle, makeBody, type Place, sharedNow } from '../client.ts';
import { SUBJECTS, type Subject } from '../targets/targets.ts';
import { cpuMs, rssBytes } from './usage.ts';

/** So many messages, so many at a time not yet acknowledged. */
export interface Load {
  readonly count: number;
  readonly inFlight: number;
  readonly bodyBytes: number;
}

/** What became of a load. */
export interface Produced {
  /** The slowest call, in milliseconds. */
  readonly slowestMs: number;
}

/** A ping that was sent, on the shared clock. */
export interface Ping {
  readonly calledAt: number;
  readonly storedAt: number;
}

/** A ping that came. */
export interface Heard {
  readonly calledAt: number;
  readonly heardAt: number;
}

/** The verbs, each called from another process: see `Actor`. */
export class Part {
  #open: () => Promise<Client> = () => Promise.reject(new Error('nothing was opened'));
  #batch = false;
  readonly #clients: Client[] = [];
  readonly #heard: Heard[] = [];
  #events = new Countdown(0);

  async open(name: string, place: Place): Promise<void> {
    const subject = SUBJECTS[name] as Subject;
    this.#open = () => subject.open(place);
    this.#batch = subject.batch === true;
    await this.#another();
  }

  async produce(load: Load): Promise<Produced> {
    return sendAll(this.#verb('send'), this.#batch, load);
  }

  /** Handles and settles `count` messages, which are all there are. */
  async consume(count: number, inFlight: number): Promise<void> {
    const left = new Countdown(count);
    const stop = await this.#verb('work')(inFlight, left.take);
    await left.done;
    await stop();
    left.check();
  }

  /** Sends one message that says when that began. */
  async ping(): Promise<Ping> {
    const calledAt = sharedNow();
    await this.#verb('send')([{ ...makeBody(0, 64), calledAt }]);
    return { calledAt, storedAt: sharedNow() };
  }

  /** Waits for messages of {@link ping} and remembers when each came, until {@link heard} takes them. */
  async listen(): Promise<void> {
    await this.#verb('work')(1, ({ calledAt = 0 }) => void this.#heard.push({ calledAt, heardAt: sharedNow() }));
  }

  async heard(): Promise<readonly Heard[]> {
    return this.#heard.splice(0);
  }

  /** Answers from now on. */
  async answer(): Promise<void> {
    await this.#verb('answer')();
  }

  /** Asks `count` times, `inFlight` at a time; how long each took, in milliseconds. */
  async ask(count: number, inFlight: number): Promise<readonly number[]> {
    const ask = this.#verb('ask');
    const times: number[] = [];
    await inTurns(inFlight, count, async (index) => {
      const began = performance.now();
      const answer = await ask(index);
      if (answer !== index * 2) throw new Error(`asked for the double of ${index}, got ${String(answer)}`);
      times.push(performance.now() - began);
    });
    return times;
  }

  /** Publishes events, each to every subscriber. */
  async publish(load: Load): Promise<Produced> {
    const publish = this.#verb('publish');
    return sendAll(([body]) => publish(body as Body), false, load);
  }

  /** Adds so many subscribers, each with a connection of its own. */
  async subscribe(count: number): Promise<void> {
    const subscribe = async (client: Client): Promise<void> => client.subscribe?.((body) => this.#events.take(body));
    for (let index = 0; index < count; index += 1) await subscribe(await this.#another());
  }

  /** From now on `count` events are to come, to all subscribers together. */
  async expect(count: number): Promise<void> {
    this.#events = new Countdown(count, 'many times');
  }

  /** Resolves once what was expected has come. */
  async received(): Promise<void> {
    await this.#events.done;
  }

  /** Waits for work, as long as the process lives. */
  async attend(): Promise<void> {
    const [client] = this.#clients;
    await (client?.attend?.() ?? this.#verb('work')(1, () => undefined));
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

  async #another(): Promise<Client> {
    const client = await this.#open();
    this.#clients.push(client);
    return client;
  }

  #verb<V extends 'send' | 'work' | 'answer' | 'ask' | 'publish'>(verb: V): NonNullable<Client[V]> {
    const [client] = this.#clients;
    const method = client?.[verb];
    if (method === undefined) throw new Error(`it cannot ${verb}`);
    return method.bind(client) as NonNullable<Client[V]>;
  }
}

/** Counts what arrives; a run that loses or repeats a message is void. */
class Countdown {
  readonly done: Promise<void>;
  readonly take: Handle;
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
    if (this.#repeated > 0) throw new Error(`${this.#repeated} messages came twice`);
  }
}

/** One message in each call, or as many as are in flight elsewhere. */
async function sendAll(
  send: (bodies: readonly Body[]) => Promise<void>,
  batch: boolean,
  { count, inFlight, bodyBytes }: Load,
): Promise<Produced> {
  const size = batch ? inFlight : 1;
  let slowestMs = 0;
  await inTurns(batch ? 1 : inFlight, Math.ceil(count / size), async (turn) => {
    const first = turn * size;
    const length = Math.min(size, count - first);
    const bodies = Array.from({ length }, (_, index) => makeBody(first + index, bodyBytes));
    const began = performance.now();
    await send(bodies);
    slowestMs = Math.max(slowestMs, performance.now() - began);
  });
  return { slowestMs };
}

/** Takes `count` turns, `inFlight` of them at a time. */
async function inTurns(inFlight: number, count: number, turn: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const taker = async (): Promise<void> => {
    while (next < count) await turn(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, taker));
}
