/** The fast path of requests: core NATS, nothing stored. */

import type { CallDriver } from '@busbar/api/driver';
import type { Connection } from '../connection/connection.ts';
import type { Names } from '../connection/names.ts';
import { Caller } from './caller.ts';
import { Responder } from './responder.ts';

export function openCalls(connection: Connection, names: Names, maxBodyBytes: number): CallDriver & { close(): void } {
  const caller = new Caller(connection);
  const responder = new Responder(connection, maxBodyBytes);
  return {
    serve: (address, max, handler) => responder.serve(names.call(address), max, handler),
    call: (address, message, context) => caller.call(names.call(address), message, context),
    close: () => responder.close(),
  };
}
