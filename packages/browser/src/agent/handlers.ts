/** The handlers of the page's agent, by the type of a message. */

import { checkCallback, checkMessageType } from '@busbar/api/parts';
import { BusbarError } from '@busbar/api/transport';
import type { Handler } from '../page-bus.ts';

export class Handlers {
  readonly #byType = new Map<string, Handler>();

  /** Adds a handler; `*` takes types without a handler. Throws CONFLICT when the type has a handler. */
  add(type: string, handler: Handler<never>): void {
    checkMessageType(type);
    checkCallback(handler, 'handler');
    if (this.#byType.has(type)) {
      throw new BusbarError('CONFLICT', `${type} has a handler already`, { hint: 'A type has one handler.' });
    }
    this.#byType.set(type, handler as Handler);
  }

  /** The handler of a type. Throws NO_RESPONDER. */
  find(type = ''): Handler {
    const handler = this.#byType.get(type) ?? this.#byType.get('*');
    if (handler !== undefined) return handler;
    throw new BusbarError('NO_RESPONDER', `no handler for type ${JSON.stringify(type)}`, {
      hint: `It handles ${[...this.#byType.keys()].join(', ') || 'nothing yet'}.`,
      retryable: false,
    });
  }
}
