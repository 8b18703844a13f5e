/** A message for tests of a handler. */

import type { ReceivedMessage } from '../bus/consuming/received.ts';
import { NORMAL_PRIORITY } from '../contract/defaults.ts';
import { newId } from '../contract/id.ts';

/** A message with this body, as a handler gets it. `fields` replace the defaults. */
export function fakeMessage<T>(body: T, fields: Partial<Omit<ReceivedMessage, 'body'>> = {}): ReceivedMessage<T> {
  return {
    ...{ id: newId(), type: undefined, from: undefined, to: undefined, topic: undefined },
    ...{ contentType: 'application/json', headers: {}, priority: NORMAL_PRIORITY, orderingKey: undefined },
    ...{
      correlationId: undefined,
      causationId: undefined,
      hops: 0,
      sentAt: Date.now(),
      attempt: 1,
      position: undefined,
    },
    ...fields,
    body,
  };
}
