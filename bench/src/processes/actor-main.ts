/** Entry of an actor process: runs the commands of its parent and replies. */

import { onParentMessage, sendToParent } from '@busbar/testbed';
import { ClientActor } from './client-actor.ts';

/** A call of a verb. */
export interface ActorCommand {
  readonly id: number;
  readonly verb: keyof ClientActor;
  readonly args: readonly unknown[];
}

/** The result of a call. */
export interface ActorReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const actor = new ClientActor();
process.once('SIGTERM', () => process.exit(0));

onParentMessage<ActorCommand>((command) => {
  execute(command)
    .then((value) => sendToParent({ id: command.id, value }))
    .catch((error: Error) => sendToParent({ id: command.id, error: error.stack ?? error.message }));
});

async function execute({ verb, args }: ActorCommand): Promise<unknown> {
  const method = actor[verb] as (...args: readonly unknown[]) => Promise<unknown>;
  return method.call(actor, ...args);
}
