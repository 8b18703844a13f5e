/** What a client with the token of one agent may do. `docs/protocol.md` has the table. */

import { BusbarError, type KvEntry, quote } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';
import type { HubRequest } from '../operations/operation.ts';
import { isLockKey, isOwnKey, isOwnLock, isReadablePrefix, isTaskKey, stampHolder } from './agent-keys.ts';

/** Returns nothing, or a promise, if the request is allowed. Throws or rejects with PERMISSION_DENIED otherwise. */
type Rule = (request: HubRequest, agent: string) => void | Promise<void>;

const CONSUMER_SETTINGS = ['leaseMs', 'maxAttempts'];
const BROWSED = 1000;

/** One rule for each operation. An operation without a rule is refused. */
export const AGENT_RULES: Readonly<Record<string, Rule>> = {
  'queues.send': ({ header: { queue } }) => require(maySendTo(queue), `send to ${quote(queue)}`),
  'queues.receive': (request, agent) => require(mayConsume(request, agent), `receive from ${nameOf(request)}`),
  'queues.settle': settle,
  'queues.configure': (request, agent) => require(mayConfigure(request, agent), `configure ${nameOf(request)}`),
  'topics.publish': ({ header: { topic } }) => require(!isReserved(topic), `publish to ${quote(topic)}`),
  'topics.subscribe': ({ header: { pattern } }) => require(!isReserved(pattern), `subscribe to ${quote(pattern)}`),
  'topics.bind': (request, agent) => require(mayBind(request.header, agent), `bind ${nameOf(request)}`),
  'topics.unbind': (request, agent) => require(mayBind(request.header, agent), `unbind ${nameOf(request)}`),
  'kv.get': ({ header: { key } }) => require(isReadablePrefix(key), `read the key ${quote(key)}`),
  'kv.list': ({ header: { prefix } }) => require(isReadablePrefix(prefix), `list the keys ${quote(prefix)}`),
  'kv.watch': ({ header: { prefix } }) => require(isReadablePrefix(prefix), `watch the keys ${quote(prefix)}`),
  'kv.put': putKey,
  'kv.touch': touchKeys,
  'kv.delete': deleteKey,
  'cursor.next': allow,
  'cursor.close': allow,
  'calls.serve': ({ header: { address } }, agent) =>
    require(address === `$call.${agent}`, `serve calls to ${quote(address)}`),
  'calls.unserve': allow,
  'calls.call': allow,
  // Counts of queues that the client can name: the least loaded agent, and the settings of a consumer.
  'admin.queues': ({ header: { names } }) => require(Array.isArray(names), 'list all queues'),
  'admin.topics': () => refuse('list topics'),
  'admin.bindings': () => refuse('list bindings'),
  'admin.browse': browse,
  'admin.redrive': (request, agent) =>
    require(isOwnInbox(request.header['queue'], agent), `redrive ${nameOf(request)}`),
  'admin.purge': (request, agent) => require(isOwnInbox(request.header['queue'], agent), `purge ${nameOf(request)}`),
  'admin.cancel': onlyOwnMessages,
  'admin.reschedule': onlyOwnMessages,
  'admin.deleteQueue': (request, agent) => require(isOwnReply(request, agent), `delete ${nameOf(request)}`),
  'admin.clear': () => refuse('clear the store'),
  'admin.exportState': () => refuse('export the store'),
  'admin.importState': () => refuse('import into the store'),
  'admin.gate': allow,
  'admin.setGate': () => refuse('change the gate of the store'),
  'hub.status': allow,
  'hub.stop': () => refuse('stop the hub'),
};

/** Checks a request of a client that is limited to `agent`. Names that are no text are left to the store, which refuses them. */
export function authorizeAgent(request: HubRequest, agent: string): void | Promise<void> {
  const { op } = request.header;
  const rule = typeof op === 'string' && Object.hasOwn(AGENT_RULES, op) ? AGENT_RULES[op] : undefined;
  return rule === undefined ? refuse(`request ${quote(op)}`) : rule(request, agent);
}

function allow(): void {}

function require(isAllowed: boolean, action: string): void {
  if (!isAllowed) refuse(action);
}

function refuse(action: string): never {
  throw new BusbarError('PERMISSION_DENIED', `the token of this agent does not allow it to ${action}`, {
    hint: 'Use a token that is not limited to one agent. docs/protocol.md lists the rights of an agent.',
  });
}

function nameOf({ header: { queue } }: HubRequest): string {
  return quote(queue);
}

function isReserved(name: unknown): boolean {
  return String(name).startsWith('$');
}

function isOwnInbox(queue: unknown, agent: string): boolean {
  return queue === `$inbox.${agent}`;
}

/** A queue that agents share: tasks, or a durable subscription. */
function isShared(queue: unknown): boolean {
  return !isReserved(queue) || String(queue).startsWith('$sub.');
}

/** A reply queue that this agent created, or that no client has used yet. Its name cannot be guessed. */
function isOwnReply({ header: { queue }, client }: HubRequest, agent: string): boolean {
  return typeof queue === 'string' && client.replyQueues.isOwner(queue, agent);
}

function maySendTo(queue: unknown): boolean {
  return !isReserved(queue) || /^\$(inbox|reply)\./.test(String(queue));
}

function mayConsume(request: HubRequest, agent: string): boolean {
  const { queue } = request.header;
  return isOwnInbox(queue, agent) || isShared(queue) || isOwnReply(request, agent);
}

/** Of a shared queue it may set what a consumer sets. */
function mayConfigure(request: HubRequest, agent: string): boolean {
  const { queue, settings } = request.header;
  if (isOwnInbox(queue, agent) || isOwnReply(request, agent)) return true;
  return isShared(queue) && Object.keys(settings ?? {}).every((name) => CONSUMER_SETTINGS.includes(name));
}

function mayBind({ queue }: Header, agent: string): boolean {
  return isOwnInbox(queue, agent) || String(queue).startsWith('$sub.');
}

/** The hub accepts only receipts that it gave to this agent. Their entries are records of tasks. */
function settle({ header: { settlements } }: HubRequest): void {
  if (!Array.isArray(settlements)) return;
  for (const settlement of settlements as readonly Header[]) {
    const entry = settlement?.['entry'] as Header | undefined;
    require(entry === undefined || isTaskKey(entry?.['key']), `write the key ${quote(entry?.['key'])}`);
  }
}

function putKey({ header, bodies, client }: HubRequest, agent: string): void | Promise<void> {
  const { key, ifRevision } = header;
  const [value] = bodies;
  if (isOwnKey(key, agent, value)) return;
  // Without the condition the entry could be another's when it is written.
  require(isLockKey(key) && ifRevision !== undefined, `write the key ${quote(key)}`);
  if (value !== undefined) (bodies as Uint8Array[])[0] = stampHolder(value, agent) ?? refuse(`write ${quote(key)}`);
  if (ifRevision === 0) return;
  return requireLock(client.store.kv.get(key as string), agent, ({ revision }) => revision === ifRevision);
}

async function touchKeys({ header: { touches }, client }: HubRequest, agent: string): Promise<void> {
  if (!Array.isArray(touches)) return;
  for (const touch of touches as readonly Header[]) {
    const { key, createRevision } = touch ?? {};
    if (isOwnKey(key, agent)) continue;
    require(isLockKey(key), `renew the key ${quote(key)}`);
    // Without the condition the entry could be another's when it is renewed.
    require(createRevision !== undefined, `renew the lock ${quote(key)} without its token`);
    await requireLock(client.store.kv.get(key as string), agent, (entry) => entry.createRevision === createRevision);
  }
}

function deleteKey({ header: { key, ifRevision }, client }: HubRequest, agent: string): void | Promise<void> {
  if (isOwnKey(key, agent)) return;
  require(isLockKey(key) && ifRevision !== undefined, `delete the key ${quote(key)}`);
  return requireLock(client.store.kv.get(key as string), agent, ({ revision }) => revision === ifRevision);
}

/** An entry with another revision is left to the store, which answers with a conflict. */
async function requireLock(
  reading: Promise<KvEntry | undefined>,
  agent: string,
  isMeant: (entry: KvEntry) => boolean,
): Promise<void> {
  const entry = await reading;
  if (entry !== undefined && isMeant(entry)) require(isOwnLock(entry, agent), `change the lock ${quote(entry.key)}`);
}

/** Of another agent's inbox it may read the messages that it names and has sent: see {@link onlyOwn}. */
function browse(request: HubRequest, agent: string): void {
  const { queue, ids } = request.header;
  const isSender = String(queue).startsWith('$inbox.') && Array.isArray(ids);
  require(mayConsume(request, agent) || isSender, `browse ${quote(queue)}`);
}

/** Whether a browse of `queue` returns only messages from the agent. */
export function showsOnlyOwn(queue: unknown, agent: string): boolean {
  return String(queue).startsWith('$inbox.') && !isOwnInbox(queue, agent);
}

/** Refuses ids of messages that another agent sent. */
async function onlyOwnMessages({ header: { queue, ids }, client }: HubRequest, agent: string): Promise<void> {
  require(isShared(queue) || String(queue).startsWith('$inbox.'), `change messages in ${quote(queue)}`);
  if (!Array.isArray(ids)) return;
  for (let start = 0; start < ids.length; start += BROWSED) {
    const options = { ids: ids.slice(start, start + BROWSED), limit: BROWSED };
    const { messages } = await client.store.admin.browse(queue as string, options);
    const foreign = messages.find(({ message }) => message.from !== agent);
    require(foreign === undefined, `change the message ${quote(foreign?.message.id)} of another sender`);
  }
}
