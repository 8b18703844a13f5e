/** What a move would do, and why it cannot be done. */

import type { Capabilities, Feature, Transport } from '@busbar/api/transport';
import type { StoreEnds } from '../store-end.ts';
import { estimateSteps, toMoveEstimate } from './estimate.ts';
import { exportOf } from './export-digest.ts';
import { isHalfCopyOf } from './mark.ts';
import type { MovePlan } from './move.ts';
import { RecordCounter } from './record-counter.ts';

type Problem = MovePlan['problems'][number];

/** Looks at both stores and changes nothing. */
export async function planMove(ends: StoreEnds, { signal }: { readonly signal?: AbortSignal } = {}): Promise<MovePlan> {
  const problems = [...lacking(ends), ...(await conflicts(ends))];
  const changes = changesOf(ends.from.transport.capabilities, ends.to.transport.capabilities);
  const counter = new RecordCounter();
  if (ends.from.transport.capabilities.features.exportState) {
    for await (const record of exportOf(ends.from.transport, signal)) counter.add(record);
  }
  problems.push(...tooLarge(counter.largestBody, ends.to.transport));
  const { counts, bytes } = counter;
  return { problems, changes, records: counts, bytes, ...toMoveEstimate(estimateSteps(ends, counts)) };
}

/** What a store lacks for a move. */
export function lacking({ from, to }: StoreEnds): Problem[] {
  return [from, to].flatMap(({ transport, name }) =>
    (['exportState', 'gate'] as const)
      .filter((feature) => !transport.capabilities.features[feature])
      .map((feature) => ({
        text: `${name} cannot take part in a move: ${transport.capabilities.reasons[feature] ?? `it has no ${feature}`}`,
        hint: 'Use another backend, or busbar export and import with all agents stopped.',
      })),
  );
}

/** Why these two stores cannot be the ends of a move now. */
export async function conflicts({ from, to }: StoreEnds): Promise<Problem[]> {
  if (!from.transport.capabilities.features.gate || !to.transport.capabilities.features.gate) return [];
  const [source, target] = await Promise.all([from.transport.admin.gate(), to.transport.admin.gate()]);
  if (source.state === 'moved') {
    return [{ text: `the bus has moved from ${from.name} to ${source.movedTo}`, hint: 'Name that one as the source.' }];
  }
  const isSame =
    from.transport.past !== undefined && from.transport.past.incarnation === to.transport.past?.incarnation;
  if (isSame) return [{ text: `${from.name} and ${to.name} are the same store`, hint: 'There is nothing to move.' }];
  // A store that had moved before keeps saying where to, also while a mover fills it or was killed when it did.
  if (target.movedTo !== undefined && target.movedTo !== from.name) {
    return [
      {
        text: `${to.name} has moved to ${target.movedTo}`,
        hint: 'Move back from there first, or choose an empty store.',
      },
    ];
  }
  const isOwn = target.movedTo !== undefined || (await isHalfCopyOf(from, to.transport));
  if (isOwn || (await isEmpty(to.transport))) return [];
  return [{ text: `${to.name} is not empty`, hint: 'Choose an empty store or another ns, or clear this one.' }];
}

/** Whether a store holds nothing, also no half copy. */
export async function isEmpty({ admin, kv }: Transport): Promise<boolean> {
  const [queues, topics, bindings, keys] = await Promise.all([
    admin.queues({ limit: 1 }),
    admin.topics({ limit: 1 }),
    admin.bindings(),
    kv.list('', { limit: 1 }),
  ]);
  return queues.length + topics.length + bindings.length + keys.length === 0;
}

/** Whether the target cannot take a body of this size. */
export function tooLarge(largestBody: number, { capabilities: { maxBodyBytes } }: Transport): Problem[] {
  if (largestBody <= maxBodyBytes) return [];
  return [
    {
      text: `the largest body has ${largestBody} bytes, and the target takes ${maxBodyBytes}`,
      hint: 'Raise maxBodyBytes of the target, or remove the message.',
    },
  ];
}

/** Features and numbers that get worse. */
function changesOf(from: Capabilities, to: Capabilities): string[] {
  const lost = (Object.keys(from.features) as Feature[]).filter((name) => from.features[name] && !to.features[name]);
  const changes = lost.map((name) => `${name}: ${to.reasons[name] ?? 'the target does not have it'}`);
  if (to.priorityLevels < from.priorityLevels)
    changes.push(`${to.priorityLevels} priorities instead of ${from.priorityLevels}`);
  if (to.granularityMs > from.granularityMs) {
    changes.push(`delays and times to live are up to ${to.granularityMs} ms late instead of ${from.granularityMs} ms`);
  }
  if (to.durability !== from.durability) changes.push(`durability ${to.durability} instead of ${from.durability}`);
  if (to.reach !== from.reach) changes.push(`reach ${to.reach} instead of ${from.reach}`);
  return changes;
}
