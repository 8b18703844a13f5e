/** The two buses of a command that works between stores. */

import { BusbarError, invalid } from '@busbar/api/transport';
import type { StoreEnd } from '@busbar/compose';
import { maskBusUrl } from '../bus-url.ts';
import { isMissing } from '../schemes.ts';
import type { Session } from './session.ts';

/** Opens the bus with this name. It is closed at the end. With `mustExist` it makes none. */
export async function openEnd(
  named: string | undefined,
  { session }: { readonly session: Session },
  { mustExist = false }: { readonly mustExist?: boolean } = {},
): Promise<StoreEnd & AsyncDisposable> {
  if (named === undefined || named === '')
    throw invalid('FROM and TO are two buses', 'Name both, such as sqlite redis.');
  const located = session.locate(named);
  if (mustExist && (await isMissing(located.url))) {
    throw new BusbarError('NOT_FOUND', `there is no bus at ${maskBusUrl(located.url)}`, {
      hint: 'Check the name. Only migrate plan and start make a target, and a source that was removed cannot be moved.',
    });
  }
  const transport = await session.open(located);
  return { transport, name: maskBusUrl(located.url), [Symbol.asyncDispose]: () => transport.close() };
}
