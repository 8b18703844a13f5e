/** Notices between clients: the settings of a queue have changed. */

import { Condition } from '@busbar/api/driver';
import type { Msg, Subscription } from '@nats-io/transport-node';
import type { Names } from '../connection/names.ts';
import { pause } from '../connection/pause.ts';
import type { ServerRequests } from '../connection/server-requests.ts';
import { FRESH_MS, type QueueRecords } from './queue-record.ts';
import { MESSAGE_ID } from './stored-message.ts';

/** Hears of changes while it is open. */
export interface Listener extends Disposable {
  /** Resolves at the next change from now on. */
  change(): Promise<void>;
  /** Whether each message that is sent to the queue is a change too. */
  hearMessages(isOn: boolean): void;
  /** What a receiver may not see in the stream yet: ids of messages, and {@link UNKNOWN}. The receiver removes what it saw. */
  readonly heard: Set<string>;
}

interface Line {
  readonly subscription: Subscription;
  readonly changed: Condition;
  readonly heard: Set<string>;
  messages: Subscription | undefined;
  listeners: number;
}

const NEVER = new Promise<void>(() => undefined);
const DEAF: Listener = {
  ...{ change: () => NEVER, hearMessages: () => undefined, heard: new Set() },
  [Symbol.dispose]: () => undefined,
};
/** Something that has no id: a change of the settings, a returned message, or a message of a plain NATS client. */
export const UNKNOWN = '';
const ROLL_MS = 1_000;
/** Lines stay open when their last listener leaves: a receive in a loop does not subscribe each time. */
const MAX_IDLE = 100;

export class Notices {
  readonly #requests: ServerRequests;
  readonly #names: Names;
  readonly #records: QueueRecords;
  readonly #lines = new Map<string, Line>();
  /** Queues whose lines have no listener, longest first. */
  readonly #idle = new Set<string>();
  #roll: Subscription;

  constructor(requests: ServerRequests, names: Names, records: QueueRecords) {
    this.#requests = requests;
    this.#names = names;
    this.#records = records;
    this.#roll = this.#answerRoll();
    requests.connection.onBack(() => this.wakeAll());
  }

  /** Lets every waiting receive look at its queue again. */
  wakeAll(): void {
    for (const { changed, heard } of this.#lines.values()) {
      heard.add(UNKNOWN);
      changed.notify();
    }
  }

  /** Listens for changes of a queue. Without a queue it gets none. */
  listen(queue: string | undefined): Listener {
    if (queue === undefined) return DEAF;
    const line = this.#lines.get(queue) ?? this.#open(queue);
    line.listeners += 1;
    this.#idle.delete(queue);
    return {
      change: () => line.changed.wait(),
      hearMessages: (isOn) => this.#hearMessages(queue, line, isOn),
      heard: line.heard,
      [Symbol.dispose]: () => {
        line.listeners -= 1;
        if (line.listeners === 0) this.#rest(queue);
      },
    };
  }

  /** Resolves once no client goes by settings that were read before now: after a second, at once where it is alone. */
  async settled(): Promise<void> {
    if (!(await this.#isAlone())) await pause(FRESH_MS);
  }

  #rest(queue: string): void {
    this.#idle.add(queue);
    if (this.#idle.size <= MAX_IDLE) return;
    const [oldest = queue] = this.#idle;
    this.#idle.delete(oldest);
    const line = this.#lines.get(oldest);
    line?.subscription.unsubscribe();
    line?.messages?.unsubscribe();
    this.#lines.delete(oldest);
  }

  #open(queue: string): Line {
    const changed = new Condition();
    const heard = new Set<string>();
    const subscription = this.#requests.connection.client.subscribe(this.#names.notice(queue), {
      callback: () => {
        this.#records.forget(queue);
        heard.add(UNKNOWN);
        changed.notify();
      },
    });
    const line: Line = { subscription, changed, heard, messages: undefined, listeners: 0 };
    this.#lines.set(queue, line);
    return line;
  }

  #hearMessages(queue: string, line: Line, isOn: boolean): void {
    if (isOn === (line.messages !== undefined)) return;
    line.messages?.unsubscribe();
    line.heard.clear();
    const dead = this.#names.lane(queue, 'dead');
    // What was sent before the subscription may become visible after the first look.
    if (isOn) line.heard.add(UNKNOWN);
    const callback = (_: unknown, { subject, headers }: Msg): void => {
      if (subject === dead) return;
      line.heard.add(headers?.get(MESSAGE_ID) || UNKNOWN);
      line.changed.notify();
    };
    line.messages = isOn
      ? this.#requests.connection.client.subscribe(this.#names.lane(queue, '*'), { callback })
      : undefined;
  }

  /** Whether no other client replies to the roll call. This client stops its own replies meanwhile. */
  async #isAlone(): Promise<boolean> {
    this.#roll.unsubscribe();
    try {
      return !(await Promise.race([this.#requests.isServed(this.#names.roll), pause(ROLL_MS).then(() => true)]));
    } finally {
      this.#roll = this.#answerRoll();
    }
  }

  #answerRoll(): Subscription {
    return this.#requests.connection.client.subscribe(this.#names.roll, {
      callback: (_: unknown, message: Msg) => {
        if (message.reply) this.#requests.send(message.reply);
      },
    });
  }
}
