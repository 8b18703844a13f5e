/** Sends a value through every verb of a bus. */

import { type Agent, type Bus, isBusbarError } from '@busbar/api';
import type { Lab } from '../context/test-context.ts';
import { LONG } from './requesting.ts';

/** Ways to transport a body. */
export const VERBS = ['mail', 'request', 'answer', 'event', 'durable event', 'task', 'result'] as const;

/** One of {@link VERBS}. */
export type Verb = (typeof VERBS)[number];

/** Sends values from one bus to another, and returns the received values. */
export class Carrier {
  readonly #lab: Lab;
  readonly #sender: Agent;
  readonly #bus: Bus;
  /** Bodies received by the handlers of the other bus. */
  readonly #got = new Map<Verb, unknown[]>();
  #answer: unknown;

  private constructor(lab: Lab, sender: Agent, bus: Bus) {
    this.#lab = lab;
    this.#sender = sender;
    this.#bus = bus;
    for (const verb of VERBS) this.#got.set(verb, []);
  }

  /** Opens both buses. */
  static async open(lab: Lab): Promise<Carrier> {
    const [bus, other] = [await lab.bus(), await lab.bus()];
    const carrier = new Carrier(lab, await bus.agent('@sender'), bus);
    await carrier.#listen(other);
    return carrier;
  }

  /** Returns the received value. Rejects if the sender refused it. */
  async carry(verb: Verb, value: unknown): Promise<unknown> {
    const got = this.#got.get(verb) ?? [];
    const before = got.length;
    const result = await this.#send(verb, value);
    if (verb === 'answer' || verb === 'result') return result;
    await this.#lab.until(`a ${verb} to arrive`, () => got.length > before);
    return got.at(-1);
  }

  /** Number of values that the handler of `verb` received. */
  arrived(verb: Verb): number {
    return this.#got.get(verb)?.length ?? 0;
  }

  /** Returns the error code of a refused value. */
  async refusal(verb: Verb, value: unknown): Promise<string> {
    try {
      await this.carry(verb, value);
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
        return this.#sender.request('@receiver', 'request', value, LONG);
      case 'answer':
        this.#answer = value;
        return this.#sender.request('@receiver', 'answer', null, LONG);
      case 'event':
        return this.#bus.publish('live', value);
      case 'durable event':
        return this.#bus.publish('kept', value);
      case 'task':
        return this.#bus.enqueue('tasks', value);
      case 'result':
        this.#answer = value;
        return (await this.#bus.enqueue('results', null)).result(LONG);
    }
  }

  async #listen(bus: Bus): Promise<void> {
    const take = (verb: Verb) => (received: { readonly body: unknown }) => {
      this.#got.get(verb)?.push(received.body);
    };
    const receiver = await bus.agent('@receiver');
    receiver.handle('mail', take('mail')).handle('request', take('request'));
    receiver.handle('answer', () => this.#answer);
    await bus.subscribe('live', take('event'));
    await bus.subscribe('kept', { durable: 'kept' }, take('durable event'));
    await bus.process('tasks', { maxAttempts: 1 }, take('task'));
    await bus.process('results', { maxAttempts: 1 }, () => this.#answer);
  }
}
