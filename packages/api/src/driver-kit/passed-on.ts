/** Messages that a transport passes on to the transport below it. */

import type { PreparedMessage } from '../contract/driver.ts';

/** Only this file has it. A WeakSet in its place cost a twentieth of a send. */
const PASSED_ON = Symbol('passed on');

interface Marked {
  [PASSED_ON]?: true;
}

/**
 * Marks a prepared message, or a batch of them, for a call of an inner transport: that neither checks nor copies it again.
 * Nothing may change it afterwards.
 */
export function passOn<T extends PreparedMessage | readonly PreparedMessage[]>(prepared: T): T {
  (prepared as Marked)[PASSED_ON] = true;
  return prepared;
}

/** Whether another transport has prepared this message or this batch. */
export function isPassedOn(value: unknown): boolean {
  return (value as Marked | null | undefined)?.[PASSED_ON] === true;
}
