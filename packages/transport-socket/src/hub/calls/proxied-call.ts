/** One call on its way from its caller to a server and back. */

import { BusbarError, newId } from '@busbar/api/transport';
import { readError } from '../../wire/error-codec.ts';
import { FRAME, type Frame, type Head } from '../../wire/frame.ts';
import { checkPassing } from '../../wire/message-codec.ts';
import { CALL_CREDIT } from '../../wire/protocol.ts';
import type { Cancellation } from '../cancellation-token.ts';
import { speakFor } from '../operations/arguments.ts';
import type { Client, Reply } from '../operations/operation.ts';
import type { CallServer } from './call-server.ts';

/** What is asked. */
export interface Question {
  readonly message: Head;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** One call on its way from its caller to a server and back. */
export class RoutedCall {
  readonly #caller: Client;
  readonly #callerId: number;
  readonly #server: CallServer;
  readonly #question: Question;
  readonly #until: number;
  readonly #outcome = Promise.withResolvers<Reply>();
  #serverId: number | undefined;
  #credit = CALL_CREDIT;
  #isOver = false;

  constructor(caller: Client, callerId: number, server: CallServer, question: Question) {
    this.#caller = caller;
    this.#callerId = callerId;
    this.#server = server;
    this.#question = question;
    this.#until = performance.now() + question.timeoutMs;
  }

  async run(cancellation: Cancellation): Promise<Reply> {
    this.#server.take(this);
    cancellation.onCancel(() => this.#cancelled());
    return this.#outcome.promise;
  }

  start(): void {
    const { message, body } = this.#question;
    const { client, service, served } = this.#server;
    this.#serverId = served.begin(this);
    const left = this.#until - performance.now();
    const timeoutMs = left === Number.POSITIVE_INFINITY ? null : Math.max(1, Math.ceil(left));
    client.send('call', this.#serverId, { service, timeoutMs, message }, [body]);
  }

  /** The server says something of it. */
  heard({ type, head, bodies }: Frame): void {
    if (type === FRAME.part) this.#reply(head, bodies);
    else if (type === FRAME.answer) this.#end(() => this.#outcome.resolve({}));
    else this.#end(() => this.#outcome.reject(readError(head)));
  }

  /** The caller takes so many replies more. */
  credited(count: number): void {
    this.#credit += count;
    if (this.#serverId !== undefined) this.#server.client.send('credit', this.#serverId, { count });
  }

  serverGone(): void {
    this.#end(() => this.#outcome.reject(gone(this.#serverId === undefined)));
  }

  #reply(head: Head, bodies: readonly Uint8Array[]): void {
    try {
      if (this.#credit <= 0) throw new BusbarError('INTERNAL', 'the responder sent more replies than it was asked for');
      this.#credit -= 1;
      checkPassing(head, bodies[0], this.#caller.maxBodyBytes);
      speakFor(head as { from?: unknown }, this.#server.client.agent);
      const message = head['id'] === undefined ? { id: newId(), sentAt: Date.now(), ...head } : head;
      this.#caller.send('part', this.#callerId, message, bodies.slice(0, 1));
    } catch (error) {
      this.#tellServer();
      this.#end(() => this.#outcome.reject(error));
    }
  }

  #cancelled(): void {
    this.#tellServer();
    this.#end(() => this.#outcome.reject(new BusbarError('ABORTED', 'the caller has gone', { outcome: 'unknown' })));
  }

  #tellServer(): void {
    if (this.#serverId !== undefined && !this.#isOver) this.#server.client.send('cancel', this.#serverId);
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#serverId !== undefined) this.#server.served.end(this.#serverId);
    this.#server.leave(this);
    settle();
  }
}

/** A server that went before it was given the call has done nothing. */
function gone(isUntouched: boolean): BusbarError {
  if (isUntouched) return new BusbarError('NO_RESPONDER', 'the responder has gone', { hint: 'Call again.' });
  return new BusbarError('CLOSED', 'the responder went before it had answered', {
    outcome: 'unknown',
    hint: 'Call again where doing it twice does no harm.',
  });
}
