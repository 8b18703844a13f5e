/** Detects resources leaked in this process: timers, sockets, watches, ports, files. */

import { AsyncLocalStorage, createHook } from 'node:async_hooks';

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
