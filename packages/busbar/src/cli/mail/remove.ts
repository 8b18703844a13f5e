/** Deletes agents, subscriptions and queues, unless they hold messages. */

import { BusbarError, isBusbarError, type QueueInfo } from '@busbar/api/transport';
import { count } from '../output/table.ts';
import { notFound, type Session } from '../session.ts';
import { checkAgent, findMailbox, guessAgent, knownName } from './mailbox.ts';
import { hasProcess } from './presence.ts';

/** Deletes an agent with its mailbox. Throws CONFLICT if it is online or has messages, unless `force` is set. */
export async function removeAgent(name: string, force: boolean, session: Session): Promise<void> {
  checkAgent(name);
  if (!force) checkEmpty(await findMailbox(name, session), `the inbox of ${name}`);
  const bus = await session.bus();
  const { instances = [] } = (await bus.agents(session.call)).find((agent) => agent.name === name) ?? {};
  // Commands that have ended leave a heartbeat for some seconds.
  const isLeftOver = instances.length > 0 && !instances.some(hasProcess);
  const existed = await bus
    .forgetAgent(name, { force: force || isLeftOver, ...session.call })
    .catch((error: unknown) => {
      throw isBusbarError(error) && error.code === 'CONFLICT' ? isOnline(error) : error;
    });
  if (existed) return;
  throw notFound('agent', name, `${await guessAgent(name, session)}busbar agents lists all agents and inboxes.`);
}

/** Throws CONFLICT if a queue has messages or dead letters. */
export function checkEmpty(queue: QueueInfo | undefined, what: string): void {
  if (queue === undefined) return;
  const { ready, delayed, leased, dead, name } = queue;
  const pending = ready + delayed + leased;
  if (pending + dead === 0) return;
  const contents = [pending > 0 ? count(pending, 'message') : '', dead > 0 ? count(dead, 'dead letter') : ''];
  throw new BusbarError('CONFLICT', `${what} has ${contents.filter((text) => text !== '').join(' and ')}`, {
    hint: `busbar task ls ${knownName(name)} shows them; --force deletes them.`,
  });
}

function isOnline({ message, cause }: BusbarError): BusbarError {
  return new BusbarError('CONFLICT', message, { hint: 'End it, or use --force.', cause });
}
