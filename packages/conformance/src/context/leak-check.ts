/** Detects leaks in this process: open resources such as timers, sockets and files, and retained objects. */

import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Kinds of resources that keep a process alive or a file open. */
const KINDS = new Set([
  ...['Timeout', 'Immediate', 'TCPWRAP', 'TCPSERVERWRAP', 'PIPEWRAP', 'PIPESERVERWRAP', 'UDPWRAP', 'TLSWRAP'],
  ...['FSEVENTWRAP', 'STATWATCHER', 'FILEHANDLE', 'DIRHANDLE', 'PROCESSWRAP', 'SIGNALWRAP', 'MESSAGEPORT', 'WORKER'],
]);

/** Resources of one work, by their async id. */
type Resources = Map<number, string>;

const scope = new AsyncLocalStorage<Resources>();
const known = new Map<number, Resources>();
let users = 0;

const hook = createHook({
  init(number, kind) {
    const resources = KINDS.has(kind) ? scope.getStore() : undefined;
    if (resources === undefined) return;
    resources.set(number, kind);
    known.set(number, resources);
  },
  destroy(number) {
    known.get(number)?.delete(number);
    known.delete(number);
  },
});

/**
 * Runs `work`, then `judge` with a function that returns the kinds of the leaked resources: those created by `work`, or
 * by anything it started, and still open. Resources of other work in this process do not count.
 */
export async function checkLeaks(
  work: () => Promise<void>,
  verify: (leftovers: () => string[]) => Promise<void>,
): Promise<void> {
  const resources: Resources = new Map();
  users += 1;
  hook.enable();
  try {
    await scope.run(resources, work);
    await verify(() => [...resources.values()]);
  } finally {
    for (const number of resources.keys()) known.delete(number);
    users -= 1;
    if (users === 0) hook.disable();
  }
}

/** Counts the objects of `held` that survive a full collection. */
export async function countRetained(held: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A dereferenced WeakRef keeps its target until the turn of the event loop ends.
  await new Promise(setImmediate);
  collect();
  return held.filter((one) => one.deref() !== undefined).length;
}
