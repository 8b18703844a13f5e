/** Mailboxes of agents: names, lookup, and errors and hints for unknown agents. */

import {
  BusbarError,
  checkQueueName,
  didYouMean,
  invalid,
  isBusbarError,
  type Message,
  type QueueInfo,
  quote,
  type Transport,
} from '@busbar/api/transport';
import type { Session } from '../session.ts';

const PREFIX = '$inbox.';
const SUBSCRIPTION_PREFIX = '$sub.';
const MAX_NAME = 240;

/** The queue of an agent's mailbox. */
export function inboxOf(agent: string): string {
  return `${PREFIX}${agent}`;
}

/** The queue of a durable subscription. */
export function subscriptionOf(name: string): string {
  return `${SUBSCRIPTION_PREFIX}${name}`;
}

/** The mailbox of `agent`, if it has one. */
export async function findMailbox(agent: string, session: Session): Promise<QueueInfo | undefined> {
  const { admin } = await session.transport();
  const [mailbox] = await admin.queues({ names: [inboxOf(agent)], ...session.call });
  return mailbox;
}

/**
 * The queues that `name` may mean: that queue, the inbox of an agent, a subscription, the inbox of the agent with or without @.
 * Throws NOT_FOUND without any.
 */
export async function findQueues(name: string, session: Session): Promise<readonly [string, ...string[]]> {
  if (!name.startsWith('@')) checkQueueName(name);
  const twin = name.startsWith('@') ? name.slice(1) : `@${name}`;
  const meanings = [inboxOf(name), subscriptionOf(name), inboxOf(twin)];
  const names = name.startsWith('$') ? [name] : name.startsWith('@') ? [...meanings, name] : [name, ...meanings];
  const { admin } = await session.transport();
  const known = await admin.queues({ names: names.filter(isQueueName), ...session.call });
  const [first, ...others] = names.filter((one) => known.some((queue) => queue.name === one));
  if (first !== undefined) return [first, ...others];
  const queues = await admin.queues(session.call);
  const guess = didYouMean(
    name,
    queues.map((queue) => knownName(queue.name)).filter((other) => !other.startsWith('$')),
  );
  throw new BusbarError('NOT_FOUND', `unknown queue ${quote(name)}`, {
    hint: `${guess}busbar stats lists the queues, busbar agents the inboxes.`,
  });
}

function isQueueName(name: string): boolean {
  try {
    checkQueueName(name);
    return true;
  } catch {
    return false;
  }
}

/** The mailbox of `agent`. Throws NOT_FOUND with a suggestion if it has none. */
export async function requireMailbox(agent: string, session: Session): Promise<QueueInfo> {
  checkAgent(agent);
  const mailbox = await findMailbox(agent, session);
  if (mailbox !== undefined) return mailbox;
  throw new BusbarError('NOT_FOUND', `${agent} has no mailbox`, {
    hint: `${await guessAgent(agent, session)}Create it: busbar register ${agent}`,
  });
}

/** The error for an unknown recipient. */
export async function unknownAgent(
  agent: string,
  session: Session,
  cause: BusbarError,
  hint = '',
): Promise<BusbarError> {
  return new BusbarError('NOT_FOUND', `unknown agent ${agent}`, {
    hint: `${await guessAgent(agent, session)}busbar agents lists all agents${hint}.`,
    outcome: cause.outcome,
    cause,
  });
}

/** Throws INVALID_ARGUMENT unless `name` is a legal agent name. */
export function checkAgent(name: string): void {
  const hint = 'Use tokens of A-Z a-z 0-9 _ - @ / : + ~ with dots between them, at most 240 characters, no $ in front.';
  if (name.startsWith('$') || name.length > MAX_NAME) throw invalid(`illegal agent name ${quote(name)}`, hint);
  try {
    checkQueueName(inboxOf(name));
  } catch {
    throw invalid(`illegal agent name ${quote(name)}`, hint);
  }
}

/** What an agent registered. */
interface Identity {
  readonly capabilities: readonly string[];
  readonly note: string | undefined;
}

/** The registration of `agent`; undefined if only mail is held for it. */
export async function findIdentity(agent: string, { kv }: Transport): Promise<Identity | undefined> {
  const entry = await kv.get(`$agent/${agent}`);
  if (entry === undefined) return undefined;
  const { capabilities, note } = parseObject(entry.value) ?? {};
  const texts = Array.isArray(capabilities) ? capabilities.filter((one) => typeof one === 'string') : [];
  return { capabilities: texts, note: typeof note === 'string' ? note : undefined };
}

/** Parses bytes as a JSON object; undefined if they are not one. */
export function parseObject(value: Uint8Array): Record<string, unknown> | undefined {
  try {
    const data = JSON.parse(new TextDecoder().decode(value)) as unknown;
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** All mailboxes, by agent name. */
export function mailboxes(transport: Transport, session: Session): Promise<Map<string, QueueInfo>> {
  return queuesBelow(PREFIX, transport, session);
}

/** All durable subscriptions, by name. */
export function subscriptions(transport: Transport, session: Session): Promise<Map<string, QueueInfo>> {
  return queuesBelow(SUBSCRIPTION_PREFIX, transport, session);
}

async function queuesBelow(prefix: string, { admin }: Transport, { call }: Session): Promise<Map<string, QueueInfo>> {
  const found = new Map<string, QueueInfo>();
  for (let after: string | undefined; ; ) {
    const page = await admin.queues({ prefix, after, ...call });
    for (const queue of page) found.set(queue.name.slice(prefix.length), queue);
    after = page.at(-1)?.name;
    if (after === undefined) return found;
  }
}

/** The name that people know a queue by: of an agent, a subscription or a queue. */
export function knownName(queue: string): string {
  for (const prefix of [PREFIX, SUBSCRIPTION_PREFIX]) if (queue.startsWith(prefix)) return queue.slice(prefix.length);
  return queue;
}

/** The message with `id` in the mailbox of `agent`, ready or leased. */
export async function findMail(agent: string, id: string, session: Session): Promise<Message | undefined> {
  const { admin } = await session.transport();
  const { messages } = await admin.browse(inboxOf(agent), { ids: [id], ...session.call });
  return messages.find(({ state }) => state !== 'dead')?.message;
}

/** `Did you mean …? ` for the agent whose name is nearest; empty without one. */
export async function guessAgent(name: string, session: Session): Promise<string> {
  return didYouMean(name, (await mailboxes(await session.transport(), session)).keys());
}

/** The same error, with a hint that names verbs and flags instead of functions. */
export function withShellHint(error: unknown): unknown {
  if (!isBusbarError(error)) return error;
  const hint = hintFor(error);
  if (hint === undefined) return error;
  return new BusbarError(error.code, error.message, { hint, outcome: error.outcome, cause: error.cause });
}

function hintFor({ code, hint = '' }: BusbarError): string | undefined {
  const [guess] = /^Did you mean [^?]+\?/.exec(hint) ?? [];
  switch (code) {
    case 'NOT_FOUND':
      return `${guess === undefined ? '' : `${guess} `}busbar agents lists all agents; --create-inbox keeps the message until it registers.`;
    case 'NO_RESPONDER':
      return 'busbar agents lists all agents, their state and their capabilities.';
    default:
      return undefined;
  }
}
