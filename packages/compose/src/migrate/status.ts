/** Where a move stands, as both stores tell it. */

import type { Gate } from '@busbar/api/transport';
import type { StoreEnd, StoreEnds } from '../store-end.ts';
import { contentsOf, type StoreContents } from './contents.ts';
import { estimateSteps } from './estimate.ts';
import { ExportDigest, exportOf } from './export-digest.ts';
import { isHalfCopyOf, readMark } from './mark.ts';
import type { MoveStep } from './move.ts';
import { timeLeft } from './time-left.ts';

/** A store in the state of a move. */
export interface EndStatus extends Gate {
  readonly contents: StoreContents;
}

/** The state of a move. */
export interface MoveStatus {
  readonly from: EndStatus;
  readonly to: EndStatus;
  /** `none`: no move was begun. `half`: one is under way, or was killed. `done`: the bus is in the target. */
  readonly move: 'none' | 'half' | 'done';
  /** How far it is. Undefined unless a mover is at work, or was within ten seconds. */
  readonly progress: StepStatus | undefined;
}

/** How far a move is, as both stores tell it. */
export interface StepStatus {
  readonly step: MoveStep;
  readonly elapsedMs: number;
  /** About how long the move still takes. */
  readonly leftMs: number;
}

export async function moveStatus({ from, to }: StoreEnds): Promise<MoveStatus> {
  const [source, target, isHalf] = await Promise.all([
    endStatus(from),
    endStatus(to),
    isHalfCopyOf(from, to.transport),
  ]);
  const isDone = source.state === 'moved' && source.movedTo === to.name;
  const move = isDone ? 'done' : isHalf ? 'half' : 'none';
  const isAtWork = move === 'half' && target.state === 'closed';
  const progress = isAtWork ? await stepStatus({ from, to }, source, target) : undefined;
  return { from: source, to: target, move, progress };
}

async function endStatus({ transport }: StoreEnd): Promise<EndStatus> {
  const [gate, contents] = await Promise.all([transport.admin.gate(), contentsOf(transport)]);
  return { ...gate, contents };
}

async function stepStatus(ends: StoreEnds, source: EndStatus, target: EndStatus): Promise<StepStatus | undefined> {
  const mark = await readMark(ends.to.transport);
  if (mark === undefined) return undefined;
  const elapsedMs = Math.max(0, Date.now() - mark.startedAt);
  const place = placeOf(source, target);
  const estimated = estimateSteps(ends, { keys: 0, bindings: 0, ids: 0, ...source.contents });
  return { step: place.step, elapsedMs, leftMs: timeLeft(estimated, { ...place, elapsedMs }) };
}

/** The step of a move, and how much of it is done. The target has all messages at the end of the transfer. */
function placeOf(source: EndStatus, target: EndStatus): { readonly step: MoveStep; readonly share: number } {
  const [of, has] = [source.contents, target.contents];
  if (source.state === 'open') return { step: 'copy', share: has.events / Math.max(1, of.events) };
  if (source.state === 'draining') return { step: 'drain', share: 0 };
  if (has.messages < of.messages) return { step: 'transfer', share: has.messages / of.messages };
  return { step: 'verify', share: 0 };
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
