/** The bus that a run takes place on: the caller's, in a namespace of its own, or one to throw away. */

import { randomUUID } from 'node:crypto';
import { type TempDir, tempDir } from '@busbar/testbed';
import { type Bus, connect, isBusbarError } from 'busbar';
import { UsageError } from './options.ts';
import { type Server, startServer } from './server.ts';

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

/** Opens the bus. Throws {@link UsageError} where a run cannot take place on it. */
export async function openPlace({ messageBus, killServer }: PlaceOptions): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempDir('busbar-demo'));
  const file = `sqlite:${encodeURI(folder.join('bus.db'))}`;
  const server = killServer ? stack.use(await startServer(folder, messageBus)) : undefined;
  const address = { bus: server?.url ?? messageBus ?? file, ns: `demo-${randomUUID().slice(0, 8)}` };
  // Where it is MESSAGE_BUS that names the bus, errors are to say so.
  const isCallers = server === undefined && messageBus !== undefined;
  const bus = stack.use(await open(isCallers ? undefined : address.bus, address.ns));
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

async function open(url: string | undefined, ns: string): Promise<Bus> {
  try {
    return await connect(url, { ns });
  } catch (error) {
    const isUsage = isBusbarError(error) && (error.code === 'INVALID_ARGUMENT' || error.code === 'UNSUPPORTED');
    throw isUsage ? new UsageError(error.message, error.hint) : error;
  }
}
