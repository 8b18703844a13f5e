/** A process that plays a part: opens a subject and does what it is told. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { onParentMessage, sendToParent } from '@busbar/testbed';
import type { Client, Place } from './client.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

/** What a process is told to do. */
export type Command =
  | { readonly id: number; readonly verb: 'open'; readonly args: readonly [SubjectName, Place] }
  | { readonly id: number; readonly verb: 'usage'; readonly args: readonly [] }
  | { readonly id: number; readonly verb: Exclude<keyof Client, 'open'>; readonly args: readonly unknown[] };

/** What a process uses. */
export interface Usage {
  readonly cpuMs: number;
  readonly rssBytes: number;
}

let client: Client | undefined;

onParentMessage<Command>((command) => {
  obey(command)
    .then((value) => sendToParent({ id: command.id, value }))
    .catch((error: Error) => sendToParent({ id: command.id, error: error.stack ?? error.message }));
});

async function obey({ verb, args }: Command): Promise<unknown> {
  if (verb === 'open') {
    const [name, place] = args as [SubjectName, Place];
    client = await SUBJECTS[name].open(place);
    return Object.keys(client);
  }
  if (verb === 'usage') return usage();
  const method = client?.[verb] as ((...args: readonly unknown[]) => Promise<unknown>) | undefined;
  if (method === undefined) throw new Error(`it cannot ${verb}`);
  const value = await method.call(client, ...args);
  if (verb === 'close') setImmediate(() => process.exit(0));
  return value;
}

/** Collects what is no longer needed, as V8 does itself in an idle process, sooner or later. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

function usage(): Usage {
  collectGarbage();
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() };
}
