/** Writes operations into the log, those of one turn in one record, and gives each what became of it. */

import type { CallContext } from '@busbar/api/driver';
import { BusbarError, newId } from '@busbar/api/transport';
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { denied, toJetStreamError, toNatsError, unavailable } from './errors.ts';
import type { Names } from './names.ts';
import { encodeRecord, sizeOf } from './record.ts';
import type { Results } from './state/apply.ts';
import { PLACES } from './state/history.ts';
import type { Operation } from './state/operation.ts';

/** An operation and who waits for it. */
export interface Asked {
  readonly operation: Operation;
  readonly context: CallContext | undefined;
  resolve(result: never): void;
  reject(error: BusbarError): void;
}

/** A record that was sent and did not come by yet. */
interface Sent {
  number: number;
  readonly subject: string;
  readonly asked: readonly Asked[];
  at: number;
}

/** How many records may be on their way: what comes meanwhile shares the next one. */
const MAX_ON_THE_WAY = 4;
const RECORD_BYTES = 262_144;
/** A record that has not come by after this time is sent again: it counts once all the same. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 200;

/** The author of one transport. */
export class Author {
  /** Tells the records of this transport from all others. */
  readonly id: string = newId();
  readonly #connection: NatsConnection;
  readonly #names: Names;
  readonly #inbox = createInbox();
  readonly #asked: Asked[] = [];
  readonly #sent = new Map<number, Sent>();
  #number = 0;
  #isUp = false;
  #scheduled: NodeJS.Immediate | undefined;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(connection: NatsConnection, names: Names) {
    this.#connection = connection;
    this.#names = names;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => this.#answered(message),
    });
  }

  /** Whether nothing is waited for. */
  get isIdle(): boolean {
    return this.#asked.length === 0 && this.#sent.size === 0;
  }

  /** Asks for `operation`; those of one turn go together, in this order. */
  ask<O extends Operation>(operation: O, context?: CallContext): Promise<Results[O['op']]> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ operation, context, resolve, reject });
      this.#schedule();
    });
  }

  /** The log can be written and read: what did not come by is sent again. */
  up(): void {
    this.#isUp = true;
    for (const sent of this.#sent.values()) this.#publish(sent);
    this.#schedule();
  }

  /** It cannot: what is asked waits. */
  down(): void {
    this.#isUp = false;
  }

  /** The own record `number` came by: what was asked with it, unless it came before. */
  take(number: number): readonly Asked[] | undefined {
    const sent = this.#sent.get(number);
    if (sent === undefined) return undefined;
    this.#sent.delete(number);
    // What was sent before it and did not come by was lost, and would be passed over now: it gets a new number.
    for (const [older, lost] of this.#sent) {
      if (older > number) break;
      this.#sent.delete(older);
      this.#send(lost.subject, lost.asked);
    }
    this.#schedule();
    return sent.asked;
  }

  /** The records up to `number` were carried out, but what they came to went by unheard. */
  forget(number: number): void {
    const error = unavailable('the log was read on from a snapshot', { outcome: 'unknown' });
    for (const sent of this.#sent.values()) {
      if (sent.number > number) break;
      this.#sent.delete(sent.number);
      for (const { reject } of sent.asked) reject(error);
    }
  }

  /** Rejects what is still waited for. */
  close(): void {
    clearImmediate(this.#scheduled);
    clearTimeout(this.#watchdog);
    const error = new BusbarError('CLOSED', 'the transport is closed', { outcome: 'unknown' });
    for (const { reject } of [...this.#asked.splice(0), ...[...this.#sent.values()].flatMap(({ asked }) => asked)]) {
      reject(error);
    }
    this.#sent.clear();
  }

  #schedule(): void {
    if (this.#asked.length === 0 || !this.#isUp || this.#sent.size >= MAX_ON_THE_WAY) return;
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#isUp && this.#asked.length > 0 && this.#sent.size < MAX_ON_THE_WAY) {
      const asked = this.#nextRecord();
      if (asked.length > 0) this.#send(this.#subjectOf(asked[0]), asked);
    }
  }

  /** What goes into the next record: as much as fits, of one kind, and nothing whose time is up. */
  #nextRecord(): Asked[] {
    const taken: Asked[] = [];
    let bytes = 0;
    let events = 0;
    let count = 0;
    const subject = this.#subjectOf(this.#asked[0]);
    for (const asked of this.#asked) {
      const { operation } = asked;
      const size = sizeOf(operation);
      events += operation.op === 'publish' ? operation.messages.length : 0;
      if (taken.length > 0 && (bytes + size > RECORD_BYTES || events >= PLACES)) break;
      if (taken.length > 0 && this.#subjectOf(asked) !== subject) break;
      count += 1;
      if (isOver(asked)) continue;
      taken.push(asked);
      bytes += size;
    }
    this.#asked.splice(0, count);
    return taken;
  }

  #subjectOf(asked: Asked | undefined): string {
    return asked?.operation.op === 'publish' ? this.#names.events : this.#names.log;
  }

  #send(subject: string, asked: readonly Asked[]): void {
    this.#number += 1;
    const sent = { number: this.#number, subject, asked, at: 0 };
    this.#sent.set(sent.number, sent);
    if (this.#isUp) this.#publish(sent);
  }

  #publish(sent: Sent): void {
    const { number, subject, asked } = sent;
    const data = encodeRecord({ author: this.id, number, operations: asked.map(({ operation }) => operation) });
    sent.at = performance.now();
    try {
      this.#connection.publish(subject, data, { reply: `${this.#inbox}.${number}` });
    } catch (error) {
      this.#reject(sent, toNatsError(error)); // It is larger than a message may be, or the connection is closed for good.
    }
    this.#watch();
  }

  /** The stream says whether it took a record. That it did is seen when the record comes by. */
  #answered(message: Msg): void {
    const sent = this.#sent.get(Number(message.subject.slice(this.#inbox.length + 1)));
    if (sent === undefined) return;
    if (message.headers?.code === 503) setTimeout(() => this.#again(sent), AGAIN_MS).unref();
    else if (message.data.length > 2 && message.data[2] === 'e'.charCodeAt(0)) this.#refused(sent, message);
  }

  #refused(sent: Sent, message: Msg): void {
    const { error } = message.json<{ error: { err_code?: number; description?: string } }>();
    const reason = toJetStreamError(error.err_code ?? 0, error.description ?? '');
    if (reason.code === 'UNAVAILABLE') {
      setTimeout(() => this.#again(sent), AGAIN_MS).unref();
      return;
    }
    this.#reject(sent, reason);
  }

  #reject(sent: Sent, reason: BusbarError): void {
    this.#sent.delete(sent.number);
    for (const { reject } of sent.asked) reject(reason);
    this.#schedule();
  }

  /** The server forbids to write into the log. */
  forbid(): void {
    const error = denied();
    for (const sent of this.#sent.values()) for (const { reject } of sent.asked) reject(error);
    this.#sent.clear();
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }

  #again(sent: Sent): void {
    if (this.#isUp && this.#sent.has(sent.number)) this.#publish(sent);
  }

  #watch(): void {
    this.#watchdog ??= setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#sent.size === 0) return;
      const late = performance.now() - PATIENCE_MS;
      for (const sent of this.#sent.values()) if (sent.at < late) this.#again(sent);
      this.#watch();
    }, PATIENCE_MS).unref();
  }
}

/** Nobody waits for it any more, and it was not sent yet: it never will be. */
function isOver({ context, reject }: Asked): boolean {
  if (context === undefined || !(context.deadline <= performance.now() || context.signal.aborted)) return false;
  reject(new BusbarError('TIMEOUT', 'the call ended before it was sent'));
  return true;
}
