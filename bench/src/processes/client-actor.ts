/** Runs the verbs of a target in a process of its own, and counts what arrives. */

import { type Body, type Client, makeBody, type Stop, sharedClockMs, type TargetLocation } from '../client.ts';
import { addTallies, NO_TALLY, type Tally } from '../tally.ts';
import type { Target } from '../targets/target.ts';
import { TARGETS } from '../targets/targets.ts';
import { Arrivals, type Expectation } from './arrivals.ts';
import { type Offer, OfferReceiver, type OfferSummary, type OfferTimes, offer } from './open-loop.ts';
import type { Ping, Pong } from './ping.ts';
import { PublishWindow } from './publish-window.ts';
import { runConcurrently, type SendLoad, type SendSummary, sendAll } from './send-all.ts';
import { Share, type ShareProgress } from './share.ts';
import { cpuMs, heapBytes, rssBytes } from './usage.ts';

/** The numbers from `first` to before `end`, in steps of `stride`. */
export interface MemberNumbers {
  readonly first: number;
  readonly end: number;
  readonly stride?: number;
}

/** The verbs. `ActorProcess` calls them from another process. */
export class ClientActor {
  #open: () => Promise<Client> = () => Promise.reject(new Error('no target is open'));
  #batch = false;
  #subscribers = 0;
  /** Replies and pings. A missing or wrong one is an error at once. */
  #replies = 0;
  readonly #clients: Client[] = [];
  readonly #pongs: Pong[] = [];
  readonly #counted: Arrivals[] = [];
  #events = new Arrivals({ count: 0 });
  readonly #window = new PublishWindow();
  #share = new Share(0);
  #offer = new OfferReceiver(0);
  #stop: Stop = async () => undefined;
  #release: () => Promise<void> = async () => undefined;

  async open(name: string, location: TargetLocation): Promise<void> {
    const target = TARGETS[name] as Target;
    this.#open = () => target.open(location);
    this.#batch = target.batch === true;
    await this.#openClient();
  }

  /** Goes on with a new client, in the warm process. */
  async reopen(): Promise<void> {
    await this.close();
    await this.#openClient();
  }

  async produce(load: SendLoad): Promise<SendSummary> {
    return sendAll(this.#verb('send'), this.#batch, load);
  }

  /** Handles and settles `count` messages, which are all messages of the queue. Every tenth may fail at its first attempt. */
  async consume(count: number, inFlight: number, failures: 'none fails' | 'tenth fails' = 'none fails'): Promise<void> {
    const arrivals = this.#count({ count, ordered: inFlight === 1 });
    const failed = new Set<number>();
    const handle = (body: Body): void => {
      if (failures === 'tenth fails' && body.index % 10 === 0 && !failed.has(body.index)) {
        failed.add(body.index);
        throw new Error('the first attempt fails');
      }
      arrivals.take(body);
    };
    const stop = await this.#verb('work')(inFlight, handle);
    await arrivals.settled();
    await stop();
  }

  /** Handles messages of the queue beside other consumers; {@link share} says how many. */
  async beginShare(total: number, inFlight: number): Promise<void> {
    const share = new Share(total);
    this.#share = share;
    this.#stop = await this.#verb('work')(inFlight, (body) => share.take(body));
  }

  async share(): Promise<ShareProgress> {
    return this.#share.progress;
  }

  /** Ends a share; resolves with how often each number came. */
  async endShare(): Promise<string> {
    await this.#stop();
    return String(this.#share);
  }

  /** Sends at a fixed rate. */
  async offer(load: Offer): Promise<OfferSummary> {
    return offer(this.#verb('send'), load);
  }

  /** Handles messages of the queue from now on, for one offer after the other. */
  async receiveOffers(inFlight: number): Promise<void> {
    this.#stop = await this.#verb('work')(inFlight, (body) => this.#offer.take(body));
  }

  async beginOffer(count: number): Promise<void> {
    this.#offer = new OfferReceiver(count);
    this.#counted.push(this.#offer.arrivals);
  }

  async endOffer(sent: number): Promise<OfferTimes> {
    return this.#offer.end(sent);
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
    this.#replies += this.#pongs.length;
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
    this.#replies += times.length;
    return times;
  }

  /** Sends one request after the other, whose response is a stream; resolves to the times of the first parts, in milliseconds. */
  async stream(requests: number, parts: number): Promise<readonly number[]> {
    const stream = this.#verb('stream');
    const firsts: number[] = [];
    for (let request = 0; request < requests; request += 1) {
      const began = performance.now();
      let next = 0;
      for await (const part of stream(parts)) {
        if (next === 0) firsts.push(performance.now() - began);
        if (part !== next) throw new Error(`expected part ${next}, got ${String(part)}`);
        next += 1;
      }
      if (next !== parts) throw new Error(`expected ${parts} parts, got ${next}`);
      this.#replies += parts;
    }
    return firsts;
  }

  /** Takes the lock; resolves with the time at which it is held, on the shared clock. */
  async takeLock(): Promise<number> {
    this.#release = await this.#verb('lock')();
    return sharedClockMs();
  }

  /** Releases the lock; resolves with the time of the call. */
  async releaseLock(): Promise<number> {
    const at = sharedClockMs();
    await this.#release();
    return at;
  }

  async takeLocks(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) await (await this.#verb('lock')())();
  }

  /** Publishes events, as far as the window is open. */
  async publish(load: SendLoad): Promise<SendSummary> {
    const publish = this.#verb('publish');
    const publishOne = (body: Body): Promise<void> => this.#window.includes(body.index).then(() => publish(body));
    return sendAll(([body]) => publishOne(body as Body), false, load);
  }

  /** Lets {@link publish} go on up to before the event `end`. */
  async openWindow(end: number): Promise<void> {
    this.#window.open(end);
  }

  /** Adds `count` subscribers, each with a connection of its own. */
  async subscribe(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const source = this.#subscribers;
      this.#subscribers += 1;
      await (await this.#openClient()).subscribe?.((body) => this.#events.take(body, source));
    }
  }

  /** Receives all stored events from the first one on. */
  async replay(): Promise<void> {
    await this.#verb('replay')((body) => this.#events.take(body));
  }

  /** Expects events or mail from now on. */
  async expect(expectation: Expectation): Promise<void> {
    this.#events = this.#count(expectation);
  }

  /** Resolves once what was expected has arrived, or nothing has for a long time. */
  async received(): Promise<void> {
    await this.#events.settled();
  }

  /** Resolves once every subscriber has so many of the expected events. */
  async reached(count: number): Promise<void> {
    await this.#events.reached(count);
  }

  /** The account of all that this process had to receive. */
  async tally(): Promise<Tally> {
    return addTallies([{ ...NO_TALLY, expected: this.#replies }, ...this.#counted.map(({ tally }) => tally)]);
  }

  /** Waits for work until the process ends. */
  async idle(): Promise<void> {
    const [client] = this.#clients;
    await (client?.idle?.() ?? this.#verb('work')(1, () => undefined));
  }

  /** Opens a waiting agent for each number, each with a connection of its own or all with one. */
  async join({ first, end, stride = 1 }: MemberNumbers, connections: 'own' | 'shared'): Promise<void> {
    const joinOne = async (index: number): Promise<void> => {
      if (connections === 'own') await this.#openClient();
      const name = `@member-${first + index * stride}`;
      await this.#verb('join', this.#clients.at(-1))(name, (body) => this.#events.take(body));
    };
    await runConcurrently(JOINS_AT_ONCE, Math.max(0, Math.ceil((end - first) / stride)), joinOne);
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

  async heapBytes(): Promise<number> {
    return heapBytes();
  }

  async rssBytes(): Promise<number> {
    return rssBytes();
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }

  async #openClient(): Promise<Client> {
    const client = await this.#open();
    this.#clients.push(client);
    return client;
  }

  #count(expectation: Expectation): Arrivals {
    const arrivals = new Arrivals(expectation);
    this.#counted.push(arrivals);
    return arrivals;
  }

  #verb<V extends Exclude<keyof Client, 'close'>>(verb: V, client = this.#clients[0]): NonNullable<Client[V]> {
    const method = client?.[verb];
    if (method === undefined) throw new Error(`this target cannot ${verb}`);
    return method.bind(client) as NonNullable<Client[V]>;
  }
}

/** Members that join at the same time. */
const JOINS_AT_ONCE = 20;
