/** Reads the event log page by page. */

import { hasWildcard, matchTopic } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { LOG_RANGE, READ_LOG } from '../lua/event-log.ts';

/** An event as the log holds it. */
export interface LogEvent {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly envelope: string;
  readonly body: Buffer;
}

/** Which events to read. */
export interface LogQuery {
  readonly after: string;
  /** Default: to the end of the log. */
  readonly upTo?: string | undefined;
  /** Default: events of every topic. */
  readonly pattern?: string | undefined;
  readonly max: number;
}

export interface LogPage {
  readonly events: readonly LogEvent[];
  /** The id that the page reaches. */
  readonly reached: string;
  readonly isEnd: boolean;
  /** Events after `after` were trimmed; the page is empty. */
  readonly isTrimmed: boolean;
}

export async function readLog(
  client: ReconnectingClient,
  { after, upTo = '+', pattern, max }: LogQuery,
  deadline: number,
): Promise<LogPage> {
  const exact = pattern === undefined || hasWildcard(pattern) ? '' : pattern;
  const luaPattern = pattern === undefined ? '.' : toLuaPattern(pattern);
  const args = [after, upTo, exact, luaPattern, max];
  const reply = await client.run(READ_LOG, args, { deadline, repeat: true });
  const [isTrimmed, reached, isEnd, ...fields] = reply as [number, Buffer, number, ...Buffer[]];
  const events: LogEvent[] = [];
  for (let at = 0; at < fields.length; at += 5) {
    const [id, topic, key, envelope] = fields.slice(at, at + 4).map(String) as [string, string, string, string];
    if (pattern === undefined || matchTopic(pattern, topic))
      events.push({ id, topic, key, envelope, body: fields[at + 4] as Buffer });
  }
  return { events, reached: String(reached), isEnd: isEnd === 1, isTrimmed: isTrimmed === 1 };
}

/** The ids of the last event and of the last trimmed event. */
export interface LogRange {
  readonly last: string;
  readonly trimmed: string;
}

export async function readLogRange(client: ReconnectingClient, deadline: number): Promise<LogRange> {
  const reply = (await client.run(LOG_RANGE, [], { deadline, repeat: true })) as Buffer[];
  const [last = '0-0', trimmed = '0-0'] = reply.map(String);
  return { last, trimmed };
}

/** A topic pattern as a Lua pattern, with which a script preselects events. The client matches them again. */
export function toLuaPattern(pattern: string): string {
  const isSystem = pattern.startsWith('$');
  const tokens = pattern.split('.').map((token, index) => {
    // A wildcard in front does not match topics that start with $.
    const first = index === 0 && !isSystem ? '[^.$]' : '[^.]';
    if (token === '*') return `${first}[^.]*`;
    if (token === '>') return `${first}.*`;
    return token.replaceAll(/[^A-Za-z0-9_]/g, '%$&');
  });
  return `^${tokens.join('%.')}$`;
}
