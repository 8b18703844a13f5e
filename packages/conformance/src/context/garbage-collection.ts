/** Whether something is still held by somebody: what the garbage collector says. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** How many of `held` are still there after a full collection. */
export async function stillHeld(held: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A reference that was looked at stays until its turn of the event loop is over.
  await new Promise(setImmediate);
  collect();
  return held.filter((one) => one.deref() !== undefined).length;
}
