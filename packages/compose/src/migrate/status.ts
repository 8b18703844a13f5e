/** Where a move stands, as both stores tell it. */

import type { Gate } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import { ExportDigest, exportOf } from './export-digest.ts';
import { isHalfCopyOf } from './mark.ts';

/** The state of a move. */
export interface MoveStatus {
  readonly from: Gate;
  readonly to: Gate;
  /** `none`: no move was begun. `half`: one is under way, or was killed. `done`: the bus is in the target. */
  readonly move: 'none' | 'half' | 'done';
}

export async function moveStatus({ from, to }: StoreEnds): Promise<MoveStatus> {
  const [source, target, isHalf] = await Promise.all([
    from.transport.admin.gate(),
    to.transport.admin.gate(),
    isHalfCopyOf(from, to.transport),
  ]);
  const isDone = source.state === 'moved' && source.movedTo === to.name;
  return { from: source, to: target, move: isDone ? 'done' : isHalf ? 'half' : 'none' };
}

/** Compares both stores, and returns what differs in words. After agents worked in the target it differs, of course. */
export async function compareStores(
  { from, to }: StoreEnds,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  const [one, other] = [new ExportDigest(), new ExportDigest()];
  for await (const record of exportOf(from.transport, signal)) one.add(record);
  for await (const record of exportOf(to.transport, signal)) other.add(record);
  return one.differences(other);
}
