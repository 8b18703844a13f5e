/** The fast path of requests of an audited transport. */

import { passOn } from '@busbar/api/driver';
import type { CallOptions, Calls, Message, MessageInput } from '@busbar/api/transport';
import { type Recorder, reasonOf } from './recorder.ts';

/** The same calls, recorded. */
export function auditCalls(calls: Calls, recorder: Recorder): Calls {
  return {
    reach: calls.reach,
    serve: (address, options, handler) =>
      calls.serve(
        address,
        options,
        typeof handler !== 'function'
          ? handler
          : (message, call) => {
              recorder.writer.write({ action: 'served', id: message.id, queue: address });
              return handler(message, call);
            },
      ),
    call: (address, message, options) => call(calls, recorder, address, message, options),
  };
}

async function* call(
  calls: Calls,
  recorder: Recorder,
  address: string,
  message: MessageInput,
  options: CallOptions | undefined,
): AsyncGenerator<Message> {
  recorder.admit('calls.call');
  const draft = recorder.draft([message]);
  const [recorded] = draft.recorded;
  recorder.sent(draft, 0, { action: 'called', queue: address });
  let count = 0;
  let reason: string | undefined;
  try {
    for await (const reply of calls.call(address, recorded === undefined ? message : passOn(recorded), options)) {
      count += 1;
      yield reply;
    }
  } catch (error) {
    reason = reasonOf(error);
    throw error;
  } finally {
    const action = reason === undefined && count > 0 ? 'replied' : 'call-failed';
    if (recorded !== undefined) recorder.writer.write({ action, id: recorded.id, queue: address, count, reason });
  }
}
