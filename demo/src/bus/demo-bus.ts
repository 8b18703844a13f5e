/** The bus that a run takes place on: the caller's, in a namespace of its own, or one to throw away. */

import { randomUUID } from 'node:crypto';
import { type TempDir, tempDir } from '@busbar/testbed';
import { type Bus, BusbarError, connect, isBusbarError } from 'busbar';
import { UsageError } from '../options.ts';
import { hasServer, type Server, startServer } from './server.ts';

/** Where a run takes place. Disposing of it leaves the caller's bus as it was found. */
export interface Place extends AsyncDisposable {
  readonly bus: Bus;
  /** What to connect with. */
  readonly address: { readonly bus: string; readonly ns: string };
  /** Folder for files of the run. */
  readonly folder: TempDir;
  /** What it is and what it promises, for people. */
  readonly description: string;
  readonly promises: string;
  readonly server: Server | undefined;
}

/** What `MESSAGE_BUS` said, and whether a server is to be killed. */
export interface PlaceOptions {
  readonly messageBus: string | undefined;
  readonly killServer: boolean;
}

const OWN_SERVER = 'With --kill-server the demonstration starts a server of its own.';

/** Opens the bus. Throws {@link UsageError} where a run cannot take place on it. */
export async function openPlace({ messageBus, killServer }: PlaceOptions): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempDir('busbar-demo'));
  const file = `sqlite:${encodeURI(folder.join('bus.db'))}`;
  const server = killServer ? stack.use(await startServer(folder, messageBus)) : undefined;
  const address = { bus: server?.url ?? messageBus ?? file, ns: `demo-${randomUUID().slice(0, 8)}` };
  // Where it is MESSAGE_BUS that names the bus, errors are to say so.
  const isCallers = server === undefined && messageBus !== undefined;
  const advice = isCallers && hasServer(messageBus) ? OWN_SERVER : undefined;
  const bus = stack.use(await open(isCallers ? undefined : address.bus, address.ns, advice));
  if (isCallers) stack.defer(() => bus.transport.admin.clear());
  const { name, capabilities } = bus.transport;
  if (capabilities.reach === 'process') {
    throw new UsageError(
      `${name} lives in one process, and the demonstration starts several`,
      'MESSAGE_BUS=sqlite will do',
    );
  }
  const where = isCallers ? `namespace ${address.ns}, removed at the end` : 'to throw away';
  const kept = stack.move();
  return {
    ...{ bus, address, folder, server },
    description: `${name}, ${where}`,
    promises: `durability ${capabilities.durability}, reach ${capabilities.reach}`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** `advice` is for those whose bus is away. */
async function open(url: string | undefined, ns: string, advice?: string): Promise<Bus> {
  try {
    return await connect(url, { ns });
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    const { code, message, hint } = error;
    if (code === 'INVALID_ARGUMENT' || code === 'UNSUPPORTED') throw new UsageError(message, hint);
    if (code !== 'UNAVAILABLE' || advice === undefined) throw error;
    throw new BusbarError(code, message, { hint: [hint, advice].filter(Boolean).join('\n'), cause: error });
  }
}
