/** Detects retained objects by a full garbage collection. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Counts the objects of `held` that survive a full collection. */
export async function countRetained(held: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A dereferenced WeakRef keeps its target until the turn of the event loop ends.
  await new Promise(setImmediate);
  collect();
  return held.filter((one) => one.deref() !== undefined).length;
}
