/** A process that plays a part: does what it is told and reports. */

import { onParentMessage, sendToParent } from '@busbar/testbed';
import { Part } from './client-actor.ts';

/** What a process is told to do. */
export interface Command {
  readonly id: number;
  readonly verb: keyof Part;
  readonly args: readonly unknown[];
}

/** What it says then. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const part = new Part();
process.once('SIGTERM', () => process.exit(0));

onParentMessage<Command>((command) => {
  obey(command)
    .then((value) => sendToParent({ id: command.id, value }))
    .catch((error: Error) => sendToParent({ id: command.id, error: error.stack ?? error.message }));
});

async function obey({ verb, args }: Command): Promise<unknown> {
  const method = part[verb] as (...args: readonly unknown[]) => Promise<unknown>;
  return method.call(part, ...args);
}
