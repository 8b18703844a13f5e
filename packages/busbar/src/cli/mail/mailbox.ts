/** Mailboxes as the command line needs them: is there one, and whose messages are in it. */

import {
  BusbarError,
  checkQueueName,
  invalid,
  type Message,
  type QueueInfo,
  quote,
  type Transport,
} from '@busbar/api/transport';
import { nearest } from '../../nearest.ts';
import type { Session } from '../session.ts';

const PREFIX = '$inbox.';
const MAX_NAME = 240;

/** The queue behind the mailbox of an agent. */
export function inboxOf(agent: string): string {
  return `${PREFIX}${agent}`;
}

/** The mailbox of `agent`; undefined where there is none. */
export async function findMailbox(agent: string, session: Session): Promise<QueueInfo | undefined> {
  const { admin } = await session.transport();
  const [mailbox] = await admin.queues({ names: [inboxOf(agent)], ...session.call });
  return mailbox;
}

/** Throws NOT_FOUND, with whom may have been meant, where `agent` has no mailbox. */
export async function requireMailbox(agent: string, session: Session): Promise<QueueInfo> {
  checkAgent(agent);
  const mailbox = await findMailbox(agent, session);
  if (mailbox !== undefined) return mailbox;
  const guess = await nearestAgent(agent, session);
  throw new BusbarError('NOT_FOUND', `there is no mailbox of ${agent}`, {
    hint: `${guess === undefined ? '' : `Did you mean ${guess}? `}busbar register ${agent} makes it.`,
  });
}

/** The error for a recipient that is not there. */
export async function unknownAgent(
  agent: string,
  session: Session,
  cause: BusbarError,
  hint = '',
): Promise<BusbarError> {
  const guess = await nearestAgent(agent, session);
  return new BusbarError('NOT_FOUND', `there is no agent ${agent}`, {
    hint: `${guess === undefined ? '' : `Did you mean ${guess}? `}busbar agents lists who is there${hint}.`,
    outcome: cause.outcome,
    cause,
  });
}

/** Throws INVALID_ARGUMENT unless `name` may be the name of an agent. */
export function checkAgent(name: string): void {
  const hint = 'Use dot-separated tokens of A-Z a-z 0-9 _ - @ / : + ~, 240 characters in all, no $ in front.';
  if (name.startsWith('$') || name.length > MAX_NAME) throw invalid(`illegal agent name ${quote(name)}`, hint);
  try {
    checkQueueName(inboxOf(name));
  } catch {
    throw invalid(`illegal agent name ${quote(name)}`, hint);
  }
}

/** What was said when `agent` was registered; undefined where it was not, also where mail is parked for it. */
export async function findIdentity(agent: string, { kv }: Transport): Promise<{ capabilities?: unknown } | undefined> {
  const entry = await kv.get(`$agent/${agent}`);
  return entry === undefined ? undefined : (parseObject(entry.value) ?? {});
}

/** The object that bytes of JSON hold; undefined where they hold none. */
export function parseObject(value: Uint8Array): Record<string, unknown> | undefined {
  try {
    const data = JSON.parse(new TextDecoder().decode(value)) as unknown;
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** All mailboxes by agent. */
export async function mailboxes({ admin }: Transport, { call }: Session): Promise<Map<string, QueueInfo>> {
  const found = new Map<string, QueueInfo>();
  for (let after: string | undefined; ; ) {
    const page = await admin.queues({ prefix: PREFIX, ...(after === undefined ? {} : { after }), ...call });
    for (const queue of page) found.set(queue.name.slice(PREFIX.length), queue);
    after = page.at(-1)?.name;
    if (after === undefined) return found;
  }
}

/** The message with `id` in the mailbox of `agent`, received or not; undefined where it is gone. */
export async function findMail(agent: string, id: string, session: Session): Promise<Message | undefined> {
  const { admin } = await session.transport();
  const { messages } = await admin.browse(inboxOf(agent), { ids: [id], ...session.call });
  return messages.find(({ state }) => state !== 'dead')?.message;
}

async function nearestAgent(name: string, session: Session): Promise<string | undefined> {
  return nearest(name, (await mailboxes(await session.transport(), session)).keys());
}
