/** Calls that this process answers. */

import {
  type CallAnswer,
  type CallControl,
  CallTask,
  type DeadlineQueue,
  encodeError,
  Limiter,
} from '@busbar/api/driver';
import { BusbarError, type CallHandler, type Service } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { Arrivals, type ArrivedParcel } from './arrivals.ts';
import { addressChannel, callChannel, processChannel } from './channels.ts';
import type { Outbox } from './outbox.ts';
import type { AnswerDetail, Parcel } from './parcel.ts';
import type { CallPresence } from './presence.ts';

/** An answer that cannot be sent for this long is dropped. */
const ANSWER_MS = 2_000;

interface Server {
  readonly slots: Limiter;
  readonly work: CallHandler;
}

/** The servers of this process at one address. */
interface Address {
  readonly servers: Set<Server>;
  readonly opened: Promise<void>;
}

/** What {@link Responder} works with. */
export interface ResponderDependencies {
  readonly client: ReconnectingClient;
  readonly deadlines: DeadlineQueue;
  readonly outbox: Outbox;
  readonly presence: CallPresence;
  readonly maxBodyBytes: number;
  readonly onError: (error: BusbarError) => void;
}

export class Responder {
  readonly #dependencies: ResponderDependencies;
  readonly #addresses = new Map<string, Address>();
  /** By caller and id. */
  readonly #tasks = new Map<string, CallTask>();

  constructor(dependencies: ResponderDependencies) {
    this.#dependencies = dependencies;
  }

  /** Serves calls of `name`, up to `max` at a time. */
  async serve(name: string, max: number, work: CallHandler): Promise<Service> {
    const server = { slots: new Limiter(max), work };
    const address = this.#addresses.get(name) ?? this.#open(name);
    address.servers.add(server);
    await address.opened;
    const close = async (): Promise<void> => {
      await this.#close(name, address, server);
      await server.slots.whenIdle();
    };
    return { close, [Symbol.asyncDispose]: close };
  }

  control({ by, name, detail }: ArrivedParcel): void {
    this.#tasks.get(`${by} ${name}`)?.control(detail as CallControl);
  }

  /** Ends running calls: their callers get CLOSED. */
  close(): void {
    for (const task of this.#tasks.values()) task.abandon(new BusbarError('CLOSED', 'the responder closed'));
  }

  #open(name: string): Address {
    const servers = new Set<Server>();
    const address = { servers, opened: this.#subscribe(name, servers) };
    this.#addresses.set(name, address);
    return address;
  }

  /** Subscribes to calls before it says that it serves them. */
  async #subscribe(name: string, servers: ReadonlySet<Server>): Promise<void> {
    const { client, outbox } = this.#dependencies;
    const { channels, past } = client;
    const arrivals = new Arrivals(this.#dependencies, (parcel) => this.#called(servers, parcel));
    await channels.subscribe(callChannel(past.process, name), (payload) => arrivals.take(payload));
    await channels.subscribe(addressChannel(name), (caller) => {
      outbox.add(processChannel(caller.toString()), {
        kind: 'serves',
        name,
        detail: null,
        messages: [],
        ...anAnswer(),
      });
    });
  }

  /** Calls that are on the way are still taken. */
  async #close(name: string, address: Address, server: Server): Promise<void> {
    const { channels, past } = this.#dependencies.client;
    if (address.servers.size === 1 && this.#addresses.get(name) === address) {
      this.#addresses.delete(name);
      await channels.drain(addressChannel(name));
      await channels.drain(callChannel(past.process, name));
    }
    address.servers.delete(server);
  }

  /** The least busy server gets the call. */
  #called(servers: ReadonlySet<Server>, { by, name, detail, messages }: ArrivedParcel): void {
    let best: Server | undefined;
    for (const server of servers) if (best === undefined || server.slots.load < best.slots.load) best = server;
    const [message] = messages ?? [];
    if (best === undefined || message === undefined) {
      const text = message === undefined ? 'the body of the request was lost' : 'the responder closed';
      this.#answer(by, name, { from: 0, replies: [], isEnd: false, error: new BusbarError('UNAVAILABLE', text) });
      return;
    }
    const { deadlines, maxBodyBytes, presence, client } = this.#dependencies;
    let from = 0;
    const leftMs = (detail as number | null) ?? undefined;
    const task = new CallTask(
      { leftMs, message },
      {
        deadlines,
        maxBodyBytes,
        schedule: (flush) => client.inNextRound(flush),
        answer: (answer) => {
          this.#answer(by, name, { ...answer, from }, task);
          from += answer.replies.length;
        },
      },
    );
    const id = `${by} ${name}`;
    const onGone = (): void => task.leave('the caller is gone');
    this.#tasks.set(id, task);
    presence.begin(by, onGone);
    void task.run(best.slots, best.work).then(() => {
      this.#tasks.delete(id);
      presence.end(by, onGone);
    });
  }

  #answer(caller: string, name: string, answer: CallAnswer & { readonly from: number }, task?: CallTask): void {
    const { from, replies, isEnd, error } = answer;
    const detail: AnswerDetail = [from, isEnd ? 1 : 0, error === undefined ? null : encodeError(error)];
    const onError = (reason: BusbarError): void => {
      task?.leave('an answer cannot be sent');
      // Such as a body that the server has no room for.
      if (replies.length > 0) this.#answer(caller, name, { from, replies: [], isEnd: false, error: reason });
    };
    this.#dependencies.outbox.add(processChannel(caller), {
      kind: 'answer',
      name,
      detail,
      messages: replies,
      ...anAnswer(),
      onAbsent: () => task?.leave('the caller is gone'),
      onError,
    });
  }
}

function anAnswer(): Pick<Parcel, 'deadline' | 'repeat'> {
  return { deadline: performance.now() + ANSWER_MS, repeat: true };
}
