/** Trails as text for terminals of 80 columns. */

import type { LogGap, LogRecord, Trail } from '@busbar/compose';
import { formatDuration } from '../input/durations.ts';
import { timeOf, valueText } from '../output/message-view.ts';
import { printableLine } from '../output/printable.ts';
import { count } from '../output/table.ts';

const MAX_PLACE = 18;
/** Characters of the end of an id in a column. */
const ID_END = 12;

/** The end of an id, which each verb takes as an argument. A short id is whole. */
export function shortId(id: string): string {
  return printableLine(id.length <= ID_END + 1 ? id : `…${id.slice(-ID_END)}`);
}

/** Where a message is: an agent, a queue, or the topic of an event. */
export function placeOf({ queue, topic }: Pick<Trail, 'queue' | 'topic'>): string {
  return printableLine(queue?.replace(/^\$inbox\./, '') ?? topic ?? '', MAX_PLACE);
}

/** The last known fate; with the attempts if there was more than one. */
export function fateOf({ fate, attempts }: Trail): string {
  return attempts > 1 ? `${fate} ×${attempts}` : fate;
}

/** Sender, type and the start of the body. */
export function aboutOf({ sent }: Trail, max?: number): string {
  if (sent === undefined) return '';
  const parts = [sent.from === undefined ? '' : `${sent.from}:`, sent.type ?? '', bodyOf(sent)];
  return printableLine(parts.filter((part) => part !== '').join(' '), max);
}

/** The recorded start of a body. */
export function bodyOf({ body, bodyBase64, bytes = 0 }: LogRecord): string {
  if (body === undefined) return bodyBase64 === undefined ? '' : `${bytes} bytes`;
  return Buffer.byteLength(body) < bytes ? `${body}…` : valueText(parseOr(body));
}

/** JSON that is a string is shown without its quotes. */
function parseOr(text: string): unknown {
  if (!text.startsWith('"')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `09:30:05.123`, with the date if it is not today. */
export function exactTime(at: number): string {
  return `${timeOf(at)}.${String(Math.floor(at) % 1_000).padStart(3, '0')}`;
}

/** A time after another one: `+12ms`. */
export function since(start: number, at: number): string {
  return `+${formatDuration(Math.max(0, at - start))}`;
}

/** The process of a record, as an operator finds it: its program and its pid. */
export function processOf(process: string): string {
  const [, host = '', pid = ''] = /^(.*)\/(\d+)-\w+$/.exec(process) ?? [];
  return pid === '' ? printableLine(process) : printableLine(`pid ${pid} on ${host}`);
}

/** What a record adds to its action. */
export function detailOf({ attempt, consumer, reason, delayMs, isUnsure, count: amount, action }: LogRecord): string {
  const parts = [
    attempt === undefined ? '' : `attempt ${attempt}`,
    consumer === undefined ? '' : `by ${consumer}`,
    (action === 'retried' || action === 'released') && delayMs ? `after ${formatDuration(delayMs)}` : '',
    action === 'replied' && amount !== undefined && amount > 1 ? `${amount} parts` : '',
    isUnsure ? 'outcome unknown' : '',
    reason === undefined ? '' : `“${reason}”`,
  ];
  return printableLine(parts.filter((part) => part !== '').join(' '));
}

/** A gap as two lines. */
export function gapLines({ process, program, count: amount, after, before, reason }: LogGap): string[] {
  const many = amount === undefined ? 'its last records may be missing' : `${count(amount, 'record')} missing`;
  const until = before === undefined ? '' : ` to ${timeOf(before)}`;
  const name = program === undefined ? '' : `${printableLine(program)}, `;
  return [`gap   ${timeOf(after)}${until}  ${many}`, `      ${name}${processOf(process)}: ${printableLine(reason)}`];
}
