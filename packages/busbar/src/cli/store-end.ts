/** The two buses of a command that works between stores. */

import { invalid } from '@busbar/api/transport';
import type { StoreEnd } from '@busbar/compose';
import { maskUrl } from '../bus-url.ts';
import type { Session } from './session.ts';

/** Opens the bus with this name. It is closed at the end. */
export async function openEnd(
  named: string | undefined,
  { session }: { readonly session: Session },
): Promise<StoreEnd & AsyncDisposable> {
  if (named === undefined || named === '')
    throw invalid('FROM and TO are two buses', 'Name both, such as sqlite redis.');
  const located = session.locate(named);
  const transport = await session.open(located);
  return { transport, name: maskUrl(located.url), [Symbol.asyncDispose]: () => transport.close() };
}
