/** Where a subscription begins on each side. */

import type { CallContext } from '@busbar/api/driver';
import type { From } from '@busbar/api/transport';
import { boundsOf, own } from '../../inner/calls.ts';
import type { SideName } from '../routes.ts';
import type { HybridSide } from '../side.ts';
import type { Sides } from '../sides.ts';
import { parsePosition } from './position.ts';

/** How much too early the time of a position may be. */
const PRECISION_MS = 1_000;
/** The oldest time that is looked for. */
const OLDEST_MS = 10 * 365 * 86_400_000;

/**
 * Where each side begins. A position of one side is a time on the other one, which goes on from there. Without history on
 * the fast side only its ephemeral events count, which are new.
 */
export async function startsOf(
  sides: Sides,
  from: From,
  { hasFastHistory, context }: { readonly hasFastHistory: boolean; readonly context: CallContext },
): Promise<Readonly<Record<SideName, From>>> {
  if (typeof from !== 'object' || !('after' in from)) return { durable: from, fast: hasFastHistory ? from : 'new' };
  const place = parsePosition(from.after);
  const { fast, durable } = place;
  if (durable !== undefined && !hasFastHistory) return { durable: { after: durable }, fast: 'new' };
  if (durable !== undefined && fast !== undefined) return { durable: { after: durable }, fast: { after: fast } };
  const [known, position] = durable === undefined ? [sides.fast, fast ?? ''] : [sides.durable, durable];
  const other = { time: await own(timeOf(known, position, context)) };
  const after = { after: position };
  return known === sides.fast ? { durable: other, fast: after } : { durable: after, fast: other };
}

/** A time shortly before a position was reached. Positions of one side compare as strings. */
async function timeOf({ transport }: HybridSide, position: string, context: CallContext): Promise<number> {
  const positionAt = async (time: number): Promise<string | undefined> => {
    await using probe = await transport.topics.subscribe(
      '>',
      { from: { time }, ...boundsOf(context) },
      () => undefined,
    );
    return probe.position;
  };
  const now = Date.now();
  let [early, late] = [now - OLDEST_MS, now];
  for (let reach = PRECISION_MS; reach < OLDEST_MS; reach *= 8) {
    const found = await positionAt(now - reach);
    if (found === undefined || found <= position) {
      early = now - reach;
      break;
    }
    late = now - reach;
  }
  while (late - early > PRECISION_MS) {
    const middle = (early + late) / 2;
    const found = await positionAt(middle);
    if (found === undefined || found < position) early = middle;
    else late = middle;
  }
  return Math.floor(early);
}
