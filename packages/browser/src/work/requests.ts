/** Sends requests to agents. */

import {
  addressOf,
  BoundedWait,
  checkAgentName,
  checkCallback,
  checkMessageOptions,
  checkMessageType,
  isPart,
  readReply,
} from '@busbar/api/parts';
import { BusbarError, type Message } from '@busbar/api/transport';
import type { RequestOptions } from '../page-bus.ts';
import type { PageCore } from '../page-core.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** Resolves with the response of one instance of the agent. */
export async function request(
  core: PageCore,
  to: string,
  { type, body, options = {} }: { readonly type: string; readonly body: unknown; readonly options?: RequestOptions },
): Promise<unknown> {
  core.assertOpen();
  const { onPart, timeoutMs = DEFAULT_TIMEOUT_MS, signal, ...fields } = options;
  checkMessageOptions(fields, ['headers', 'correlationId'], 'request options');
  if (onPart !== undefined) checkCallback(onPart, 'onPart');
  checkAgentName(to);
  checkMessageType(type);
  const { bodies, store } = core;
  const message = core.toMessage({ body, type, to, options: fields });
  const wait = new BoundedWait({ waitMs: timeoutMs, signal, timeoutError: noReply });
  let replies: AsyncIterator<Message> | undefined;
  try {
    wait.throwIfCancelled();
    replies = store.call(addressOf(to), message, wait.deadline);
    for (;;) {
      const next = await wait.race(replies.next());
      if (next.done === true) throw new BusbarError('CLOSED', `${to} ended without a response`, { outcome: 'unknown' });
      if (!isPart(next.value)) return readReply(bodies, next.value, to);
      if (onPart !== undefined) await wait.race(Promise.resolve(onPart(bodies.decode(next.value) as never)));
    }
  } finally {
    wait.end();
    void replies?.return?.();
  }
}

function noReply(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Raise timeoutMs, or look at the responder.',
  });
}
