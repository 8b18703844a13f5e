/** Sends a value through every verb of a bus. */

import { type Agent, type Bus, isBusbarError } from '@busbar/api';
import type { TestContext } from '../context/test-context.ts';
import { LONG_TIMEOUT } from './requesting.ts';

/** Ways to transport a body. */
export const VERBS = ['mail', 'request', 'response', 'event', 'durable event', 'task', 'result'] as const;

/** One of {@link VERBS}. */
export type Verb = (typeof VERBS)[number];

/** Sends values from one bus to another, and returns the received values. */
export class RoundTrip {
  readonly #test: TestContext;
  readonly #sender: Agent;
  readonly #bus: Bus;
  /** Bodies received by the handlers of the other bus. */
  readonly #got = new Map<Verb, unknown[]>();
  #response: unknown;

  private constructor(test: TestContext, sender: Agent, bus: Bus) {
    this.#test = test;
    this.#sender = sender;
    this.#bus = bus;
    for (const verb of VERBS) this.#got.set(verb, []);
  }

  /** Opens both buses. */
  static async open(test: TestContext): Promise<RoundTrip> {
    const [bus, other] = [await test.bus(), await test.bus()];
    const roundTrip = new RoundTrip(test, await bus.agent('@sender'), bus);
    await roundTrip.#listen(other);
    return roundTrip;
  }

  /** Returns the received value. Rejects if the sender refused it. */
  async send(verb: Verb, value: unknown): Promise<unknown> {
    const got = this.#got.get(verb) ?? [];
    const before = got.length;
    const result = await this.#send(verb, value);
    if (verb === 'response' || verb === 'result') return result;
    await this.#test.until(`a ${verb} to arrive`, () => got.length > before);
    return got.at(-1);
  }

  /** Number of values that the handler of `verb` received. */
  arrived(verb: Verb): number {
    return this.#got.get(verb)?.length ?? 0;
  }

  /** Returns the error code of a refused value. */
  async refusal(verb: Verb, value: unknown): Promise<string> {
    try {
      await this.send(verb, value);
      return 'carried';
    } catch (error) {
      return isBusbarError(error) ? error.code : String(error);
    }
  }

  async #send(verb: Verb, value: unknown): Promise<unknown> {
    switch (verb) {
      case 'mail':
        return this.#sender.send('@receiver', 'mail', value);
      case 'request':
        return this.#sender.request('@receiver', 'request', value, LONG_TIMEOUT);
      case 'response':
        this.#response = value;
        return this.#sender.request('@receiver', 'response', null, LONG_TIMEOUT);
      case 'event':
        return this.#bus.publish('live', value);
      case 'durable event':
        return this.#bus.publish('kept', value);
      case 'task':
        return this.#bus.enqueue('tasks', value);
      case 'result':
        this.#response = value;
        return (await this.#bus.enqueue('results', null)).result(LONG_TIMEOUT);
    }
  }

  async #listen(bus: Bus): Promise<void> {
    const take = (verb: Verb) => (received: { readonly body: unknown }) => {
      this.#got.get(verb)?.push(received.body);
    };
    const receiver = await bus.agent('@receiver');
    receiver.handle('mail', take('mail')).handle('request', take('request'));
    receiver.handle('response', () => this.#response);
    await bus.subscribe('live', take('event'));
    await bus.subscribe('kept', take('durable event'), { durableName: 'kept' });
    await bus.process('tasks', take('task'), { maxAttempts: 1 });
    await bus.process('results', () => this.#response, { maxAttempts: 1 });
  }
}
