/** The bus of a run: the caller's, in a namespace of its own, or one in a temporary folder. */

import { randomUUID } from 'node:crypto';
import { type TempDir, tempDir } from '@busbar/testbed';
import { type Bus, BusbarError, connect, isBusbarError } from 'busbar';
import { UsageError } from '../options.ts';
import { hasServer, type Server, startServer } from './server.ts';

/** The bus of a run. Disposing of it leaves the caller's bus as it was before. */
export interface DemoBus extends AsyncDisposable {
  readonly bus: Bus;
  /** What a process of the run connects with. */
  readonly address: { readonly bus: string; readonly ns: string };
  /** Folder for files of the run. */
  readonly folder: TempDir;
  /** Transport, namespace and promises, for the report. */
  readonly description: string;
  /** The server that `--kill-server` kills. */
  readonly server: Server | undefined;
}

/** Where the bus is, and whether the run kills its server. */
export interface DemoBusOptions {
  readonly messageBus: string | undefined;
  readonly killServer: boolean;
}

const OWN_SERVER = 'With --kill-server the demonstration starts a server of its own.';

/** Opens the bus. Throws {@link UsageError} for a bus that several processes cannot share. */
export async function openDemoBus({ messageBus, killServer }: DemoBusOptions): Promise<DemoBus> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempDir('busbar-demo'));
  const file = `sqlite:${encodeURI(folder.join('bus.db'))}`;
  const server = killServer ? stack.use(await startServer(folder, messageBus)) : undefined;
  const address = { bus: server?.url ?? messageBus ?? file, ns: `demo-${randomUUID().slice(0, 8)}` };
  // Without a URL, `connect` reads MESSAGE_BUS itself and names it in its errors.
  const isCallers = server === undefined && messageBus !== undefined;
  const advice = isCallers && hasServer(messageBus) ? OWN_SERVER : undefined;
  const bus = stack.use(await open(isCallers ? undefined : address.bus, address.ns, advice));
  if (isCallers) stack.defer(() => bus.transport.admin.clear());
  const { name, capabilities } = bus.transport;
  const { reach, durability } = capabilities;
  if (reach === 'process') {
    throw new UsageError(
      `${name} lives in one process, and the demonstration starts several`,
      'Use MESSAGE_BUS=sqlite.',
    );
  }
  const where = isCallers ? `namespace ${address.ns}, removed at the end` : 'temporary';
  const kept = stack.move();
  return {
    ...{ bus, address, folder, server },
    description: `${name}, ${where} (durability ${durability}, reach ${reach})`,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** `advice` is added to the hint when the bus cannot be reached. */
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
