/** The fast path of requests: core NATS, nothing stored. */

import type { CallContext, CallDriver, PreparedMessage } from '@busbar/api/driver';
import type { Message, Service } from '@busbar/api/transport';
import type { Connection } from '../connection/connection.ts';
import type { Names } from '../connection/names.ts';
import { Caller } from './caller.ts';
import { Responder } from './responder.ts';

/** The calls of one transport. */
export class Calls implements CallDriver {
  readonly #names: Names;
  readonly #caller: Caller;
  readonly #responder: Responder;

  constructor(connection: Connection, names: Names, maxBodyBytes: number) {
    this.#names = names;
    this.#caller = new Caller(connection);
    this.#responder = new Responder(connection, maxBodyBytes);
  }

  serve(address: string, max: number, handler: Parameters<CallDriver['serve']>[2]): Promise<Service> {
    return this.#responder.serve(this.#names.call(address), max, handler);
  }

  call(address: string, message: PreparedMessage, context: CallContext): AsyncIterable<Message> {
    return this.#caller.call(this.#names.call(address), message, context);
  }

  close(): void {
    this.#responder.close();
  }
}
