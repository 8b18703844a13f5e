/** The two buses of a command that works between stores. */

import { invalid } from '@busbar/api/transport';
import type { StoreEnd } from '@busbar/compose';
import { maskUrl } from '../bus-url.ts';
import { createProjectFolder } from '../config/locate-bus.ts';
import { openUrl } from '../schemes.ts';
import type { GlobalFlags } from './input/global-flags.ts';
import { openWithin, type Session } from './session.ts';

/** Opens the bus with this name. It is closed at the end. */
export async function openEnd(
  named: string | undefined,
  { flags, session }: { readonly flags: GlobalFlags; readonly session: Session },
): Promise<StoreEnd & AsyncDisposable> {
  if (named === undefined || named === '')
    throw invalid('FROM and TO are two buses', 'Name both, such as sqlite redis.');
  const located = session.locate(named);
  createProjectFolder(located);
  const transport = await openWithin(openUrl(located.url, flags['wait-for-server']), session.call);
  return { transport, name: maskUrl(located.url), [Symbol.asyncDispose]: () => transport.close() };
}
