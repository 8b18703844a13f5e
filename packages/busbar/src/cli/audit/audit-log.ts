/** The log of an audited bus: opening it, reading it, and finding a message in it. */

import { type BrowsedMessage, invalid, quote } from '@busbar/api/transport';
import type { LogContents, LogRecord, ReadLogOptions, Trail } from '@busbar/compose';
import { maskBusUrl } from '../../bus-url.ts';
import { composedScheme } from '../../composed-url.ts';
import { auditParts, isMissing } from '../../schemes.ts';
import { notFound, openWithin, type Session } from '../session.ts';

/** Characters that the end of an id must have, so that it means one message. */
const MIN_END = 6;

/** The bus and the log of a session, not opened. */
function partsOf(session: Session): ReturnType<typeof auditParts> {
  const { url } = session.locate();
  if (composedScheme(url) === 'audit') return auditParts(url);
  const hint = 'Start the agents with MESSAGE_BUS=audit:?of=BUS, and use the same value here.';
  throw invalid(`${maskBusUrl(url)} is not audited`, hint);
}

/** Reads the log of the bus of a session. One that does not exist yet is empty. */
export async function readAuditLog(session: Session, options: ReadLogOptions = {}): Promise<LogContents> {
  const { log } = partsOf(session);
  if (await isMissing(log.url)) {
    session.out.note(`busbar: there is no audit log yet: ${log.name}`);
    return { records: [], gaps: [] };
  }
  const { readLog } = await import('@busbar/compose');
  await using transport = await openWithin(log.open(), session.call);
  return await readLog(transport, { ...options, signal: session.signal });
}

/** The message in each of `queues` now, past its audit. A bus that does not exist has none. */
export async function browseStore(
  id: string,
  queues: readonly string[],
  session: Session,
): Promise<(BrowsedMessage | undefined)[]> {
  const { of } = partsOf(session);
  if (await isMissing(of.url)) return queues.map(() => undefined);
  await using transport = await openWithin(of.open(), session.call);
  const { admin } = transport;
  const pages = await Promise.all(queues.map((queue) => admin.browse(queue, { ids: [id], ...session.call })));
  return pages.map(({ messages }) => messages[0]);
}

/** Everything that the log knows, message by message. */
export async function readTrails(session: Session): Promise<Trail[]> {
  const { trailsOf } = await import('@busbar/compose');
  const { records } = await readAuditLog(session);
  return trailsOf(records);
}

/** The id of the message that `text` names: the whole id or its end. Throws NOT_FOUND, or INVALID_ARGUMENT for more than one. */
export function findId(trails: readonly Trail[], text: string): string {
  if (trails.some(({ id }) => id === text)) return text;
  const end = text.replace(/^…/, '');
  const ids = new Set(end.length < MIN_END ? [] : trails.map(({ id }) => id).filter((id) => id.endsWith(end)));
  const [first, ...others] = ids;
  if (first === undefined) {
    throw notFound('message', text, 'The log has no record of it. busbar audit --since 7d lists older messages.');
  }
  if (others.length === 0) return first;
  throw invalid(`${quote(text)} is the end of ${ids.size} ids`, `Write one of them: ${[...ids].slice(0, 5).join(' ')}`);
}

/** Whether `record` names `agent` as its sender, its receiver or its mailbox. */
export function concerns({ from, to, consumer, queue }: LogRecord, agent: string): boolean {
  return from === agent || to === agent || consumer === agent || queue === `$inbox.${agent}`;
}
