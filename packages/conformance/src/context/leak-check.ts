/** What some work has left behind in this process: timers, sockets, watches, ports, files. */

import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** Kinds of resources that keep a process busy or a file open. */
const KINDS = new Set([
  ...['Timeout', 'Immediate', 'TCPWRAP', 'TCPSERVERWRAP', 'PIPEWRAP', 'PIPESERVERWRAP', 'UDPWRAP', 'TLSWRAP'],
  ...['FSEVENTWRAP', 'STATWATCHER', 'FILEHANDLE', 'DIRHANDLE', 'PROCESSWRAP', 'SIGNALWRAP', 'MESSAGEPORT', 'WORKER'],
]);

/** The resources of one piece of work, by the number that Node gave them. */
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
 * Runs `work`, then `judge` with what tells the kinds of the resources that `work`, and what it set going, has made and
 * that are still there. What others do in this process meanwhile does not count.
 */
export async function lookingForLeftovers(
  work: () => Promise<void>,
  judge: (leftovers: () => string[]) => Promise<void>,
): Promise<void> {
  const resources: Resources = new Map();
  users += 1;
  hook.enable();
  try {
    await scope.run(resources, work);
    await judge(() => [...resources.values()]);
  } finally {
    for (const number of resources.keys()) known.delete(number);
    users -= 1;
    if (users === 0) hook.disable();
  }
}
