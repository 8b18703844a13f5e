/** Whether a closed store has a write that was sent more than once: an earlier sending, whose answer was lost, may have been stored. */

import type { Msg } from '@nats-io/transport-node';
import { type HeaderList, sequenceOf } from '../connection/message-headers.ts';
import type { Names } from '../connection/names.ts';
import type { Bounds } from '../connection/request-inbox.ts';
import type { StreamReader } from '../connection/stream-reader.ts';
import { streamOf } from './stream-subjects.ts';

/** A write that a fence has refused. */
export interface RefusedWrite {
  readonly subject: string;
  readonly headers: HeaderList | undefined;
  /** Sequences that the streams had before it was sent first. */
  readonly floors: ReadonlyMap<string, number>;
}

/** The headers that tell one write from all others. */
const IDS = ['Nats-Msg-Id', 'Busbar-Write'] as const;

/** The sequence of the write, 0 if it was not stored. Undefined if that cannot be told. Nothing is stored any more meanwhile. */
export async function findEarlier(
  reader: StreamReader,
  names: Names,
  { subject, headers, floors }: RefusedWrite,
  bounds: Bounds,
): Promise<number | undefined> {
  const stream = streamOf(names, subject);
  const floor = stream === undefined ? undefined : floors.get(stream);
  const header = IDS.find((each) => headers?.[each] !== undefined);
  if (stream === undefined || floor === undefined || header === undefined) return undefined;
  let isWhole = true;
  await reader.catchUp(stream);
  for await (const page of reader.scanReplica(stream, subject, floor + 1, bounds)) {
    const found = page.find((message) => message.headers?.get(header) === headers?.[header]);
    if (found !== undefined) return sequenceOf(found);
    isWhole &&= !page.some((message) => hidesEarlier(names, stream, message));
  }
  return isWhole ? 0 : undefined;
}

/** Whether a message may have replaced an earlier one: a value of the same key, or a record that sums up those before. */
function hidesEarlier(names: Names, stream: string, message: Msg): boolean {
  if (stream === names.kv) return true;
  return stream === names.ledger && message.json<{ readonly k?: string }>().k === 'c';
}
