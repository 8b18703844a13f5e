/** Positions in the history of both sides, as one text of the caller. */

import { invalid, quote } from '@busbar/api/transport';
import { tag, untag } from '../side.ts';

/** A place in the history of one side or of both. */
export interface Place {
  readonly fast?: string | undefined;
  readonly durable?: string | undefined;
}

const BOTH = /^b~([0-9a-z]+)~(.+)$/s;

/** The text of a place; undefined for no place. */
export function toPosition({ fast, durable }: Place): string | undefined {
  if (fast === undefined) return durable && tag('durable', durable);
  if (durable === undefined) return tag('fast', fast);
  return `b~${fast.length.toString(36)}~${fast}${durable}`;
}

/** The place of a text. Throws INVALID_ARGUMENT for a foreign one. */
export function parsePosition(position: string): Place {
  const [, length = '', rest = ''] = BOTH.exec(position) ?? [];
  if (length !== '') {
    const split = Number.parseInt(length, 36);
    return { fast: rest.slice(0, split), durable: rest.slice(split) };
  }
  const place = untag(position);
  if (place !== undefined) return { [place.side]: place.inner };
  throw invalid(`${quote(position)} is not a position of this bus`, 'Use a position that this bus returned.');
}
