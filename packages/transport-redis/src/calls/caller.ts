/** Calls that this process makes. */

import {
  CALL_WINDOW,
  type CallAnswer,
  type CallContext,
  type CallControl,
  CallReplies,
  type DeadlineQueue,
  decodeError,
  type PreparedMessage,
} from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import type { ArrivedParcel } from './arrivals.ts';
import { callChannel, processChannel } from './channels.ts';
import type { Outbox } from './outbox.ts';
import type { AnswerDetail } from './parcel.ts';
import type { CallPresence } from './presence.ts';
import { type Seeker, Servers } from './servers.ts';

const HINT = 'The call may have been handled. Ask again if that is safe, or ask with durable.';

/** What {@link Caller} works with. */
export interface CallerDependencies {
  readonly client: ReconnectingClient;
  readonly deadlines: DeadlineQueue;
  readonly outbox: Outbox;
  readonly presence: CallPresence;
}

export class Caller {
  readonly #outbox: Outbox;
  readonly #presence: CallPresence;
  readonly #servers: Servers;
  readonly #calls = new Map<string, Call>();
  #count = 0;

  constructor({ client, deadlines, outbox, presence }: CallerDependencies) {
    this.#outbox = outbox;
    this.#presence = presence;
    this.#servers = new Servers(client, deadlines, presence);
    client.onState(({ state }) => {
      if (state !== 'reconnecting') return;
      const text = 'the connection was lost, and with it what was replied';
      for (const call of [...this.#calls.values()]) if (call.isTaken) this.#fail(call, 'UNAVAILABLE', text);
    });
  }

  /** The replies to a call of `address`. */
  call(address: string, message: PreparedMessage, { deadline }: CallContext): Call {
    this.#count += 1;
    const id = String(this.#count);
    const call: Call = new Call(
      { id, address, message, deadline },
      (control) => this.#control(call, control),
      () => this.#fail(call, 'CLOSED', 'the process that had this call is gone'),
    );
    this.#calls.set(id, call);
    return call;
  }

  /** Sends `call` to a process that serves its address. */
  send(call: Call): void {
    if (call.isOver) return;
    const seeker: Seeker = {
      deadline: call.deadline,
      get isOver() {
        return call.isOver;
      },
      found: (process) => this.#sendTo(call, process),
      failed: (error) => this.end(call, error),
    };
    this.#servers.find(call.address, seeker);
  }

  /** Takes what came for this process: answers, and who serves an address. */
  take({ by, kind, name, detail, messages }: ArrivedParcel): void {
    if (kind === 'serves') {
      this.#servers.add(name, by);
      return;
    }
    const call = this.#calls.get(name);
    const [from, isEnd, error] = detail as AnswerDetail;
    if (call !== undefined) this.#answered(call, from, { messages, isEnd: isEnd === 1, error });
    // The caller left before its request was taken.
    else if (isEnd === 0 && error === null) this.#publishControl(by, name, { left: true });
  }

  /** Ends a call behind the replies that are there, with `error` if it is defined. */
  end(call: Call, error: BusbarError | undefined): void {
    this.#forget(call);
    call.replies.end(error);
  }

  #sendTo(call: Call, process: string | undefined): void {
    if (call.isOver) return;
    if (process === undefined) {
      const hint = 'Start one, or ask with durable.';
      this.end(call, new BusbarError('NO_RESPONDER', 'no instance serves this address', { hint }));
      return;
    }
    call.process = process;
    this.#presence.begin(process, call.onGone);
    const leftMs = call.deadline === Number.POSITIVE_INFINITY ? null : call.deadline - performance.now();
    this.#outbox.add(callChannel(process, call.address), {
      kind: 'request',
      name: call.id,
      detail: leftMs,
      messages: [call.message],
      deadline: call.deadline,
      repeat: false,
      onTaken: () => {
        call.isTaken = true;
      },
      onAbsent: () => {
        this.#servers.remove(call.address, process);
        this.#unload(call);
        this.send(call);
      },
      onError: (error) => this.end(call, error),
    });
  }

  #answered(
    call: Call,
    from: number,
    answer: Pick<CallAnswer, 'isEnd'> & {
      readonly messages: readonly Message[] | undefined;
      readonly error: AnswerDetail[2];
    },
  ): void {
    // It was published twice, since the answer of the server was lost.
    if (from < call.received) return;
    const { messages, isEnd, error } = answer;
    if (from > call.received || messages === undefined) {
      this.#control(call, { left: true });
      this.#fail(call, 'UNAVAILABLE', 'replies were lost');
      return;
    }
    call.received += messages.length;
    for (const reply of messages) call.replies.arrive(reply);
    if (isEnd || error !== null) this.end(call, error === null ? undefined : decodeError(error));
  }

  #fail(call: Call, code: 'CLOSED' | 'UNAVAILABLE', text: string): void {
    this.end(call, new BusbarError(code, text, { outcome: 'unknown', hint: HINT }));
  }

  #control(call: Call, control: CallControl): void {
    if (call.process !== undefined) this.#publishControl(call.process, call.id, control);
    if (control.left) this.#forget(call);
  }

  #publishControl(process: string, id: string, detail: CallControl): void {
    const deadline = performance.now() + 2_000;
    this.#outbox.add(processChannel(process), {
      kind: 'control',
      name: id,
      detail,
      messages: [],
      deadline,
      repeat: false,
    });
  }

  #forget(call: Call): void {
    if (this.#calls.delete(call.id)) this.#unload(call);
  }

  #unload(call: Call): void {
    if (call.process === undefined) return;
    this.#presence.end(call.process, call.onGone);
    call.process = undefined;
  }
}

interface CallFields {
  readonly id: string;
  readonly address: string;
  readonly message: PreparedMessage;
  readonly deadline: number;
}

/** One call, and its replies as they come. */
export class Call {
  readonly id: string;
  readonly address: string;
  readonly message: PreparedMessage;
  readonly deadline: number;
  readonly replies: CallReplies;
  /** The process that has it. */
  process: string | undefined;
  /** A process got it. */
  isTaken = false;
  /** Replies that arrived. */
  received = 0;

  /** Ends it because the process that has it is gone. */
  readonly onGone: () => void;

  constructor(
    { id, address, message, deadline }: CallFields,
    onControl: (control: CallControl) => void,
    onGone: () => void,
  ) {
    this.id = id;
    this.address = address;
    this.message = message;
    this.deadline = deadline;
    this.onGone = onGone;
    this.replies = new CallReplies({
      window: CALL_WINDOW,
      onRead: (read) => onControl({ read }),
      onLeave: () => onControl({ left: true }),
    });
  }

  get isOver(): boolean {
    return this.replies.isOver;
  }
}
