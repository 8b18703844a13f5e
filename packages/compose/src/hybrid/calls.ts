/** Requests over the fast path of the fast side, where that has one. */

import { type CallContext, type CallDriver, type PreparedMessage, passOn } from '@busbar/api/driver';
import type { Calls, Message } from '@busbar/api/transport';
import { boundsOf, own, ownError } from '../inner/calls.ts';

export function openCalls(calls: Calls): CallDriver {
  return {
    // Other programs open one part only.
    reach: 'transport',
    serve: (address, max, handler) => own(calls.serve(address, { max }, handler)),
    call: (address, message, context) => call(calls, address, { message, context }),
  };
}

async function* call(
  calls: Calls,
  address: string,
  { message, context }: { readonly message: PreparedMessage; readonly context: CallContext },
): AsyncGenerator<Message> {
  try {
    yield* calls.call(address, passOn(message), boundsOf(context));
  } catch (error) {
    throw ownError(error);
  }
}
