/** Where a bus of the run is: in temporary data of the run, or at the caller's. */

import type { Transport } from '@busbar/api/transport';
import type { TempDir } from '@busbar/testbed';
import { BusbarError, connectTransport, isBusbarError } from 'busbar';
import { UsageError } from '../options.ts';
import { isHybrid, placeHybrid } from './hybrid-place.ts';
import { hasServer, type Server, startServer } from './server.ts';

/** Where a bus is. */
export interface Place {
  /** Its name for `connect`. */
  readonly bus: string;
  /** For errors: what the caller has named it with; undefined if it is temporary. */
  readonly origin: 'MESSAGE_BUS' | '--migrate' | undefined;
  /** A server of the run itself. */
  readonly server: Server | undefined;
}

const OWN_SERVER = 'With --kill-server the demonstration starts a server of its own.';

/** The place where the run begins: the caller's bus, a server of the run, or a temporary file. */
export async function placeSource(
  folder: TempDir,
  messageBus: string | undefined,
  killServer: boolean,
): Promise<Place> {
  if (killServer && messageBus !== undefined && isHybrid(messageBus)) {
    return { ...(await placeHybrid(folder, messageBus, fileIn(folder, 'bus.db'))), origin: undefined };
  }
  if (killServer) {
    const server = await startServer(folder, messageBus);
    return { bus: server.url, origin: undefined, server };
  }
  if (messageBus !== undefined) return { bus: messageBus, origin: 'MESSAGE_BUS', server: undefined };
  return { bus: fileIn(folder, 'bus.db'), origin: undefined, server: undefined };
}

/** The place to which the run moves. For a short name it is temporary. */
export async function placeTarget(folder: TempDir, bus: string): Promise<Place> {
  if (bus === 'sqlite') return { bus: fileIn(folder, 'moved.db'), origin: undefined, server: undefined };
  if (!hasServer(bus)) return { bus, origin: '--migrate', server: undefined };
  const server = await startServer(folder, bus);
  return { bus: server.url, origin: undefined, server };
}

/** Opens the transport at a place. Throws {@link UsageError} for a bus that several processes cannot share. */
export async function openPlace({ bus, origin }: Place, ns: string): Promise<Transport> {
  const advice = origin === 'MESSAGE_BUS' && hasServer(bus) ? OWN_SERVER : undefined;
  // Without a URL, `connectTransport` reads MESSAGE_BUS itself and names it in its errors.
  const url = origin === 'MESSAGE_BUS' ? undefined : bus;
  const transport = await explained(connectTransport(url, { ns }), origin, advice);
  if (transport.capabilities.reach !== 'process') return transport;
  await transport.close();
  throw new UsageError(
    `${transport.name} lives in one process, and the demonstration starts several`,
    'Use MESSAGE_BUS=sqlite.',
  );
}

/** A bus that is wrong is an error of usage. `advice` is added to the hint when it cannot be reached. */
async function explained(
  opening: Promise<Transport>,
  origin: Place['origin'],
  advice: string | undefined,
): Promise<Transport> {
  try {
    return await opening;
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    const { code, message, hint } = error;
    const text = origin === '--migrate' ? `--migrate: ${message}` : message;
    if (code === 'INVALID_ARGUMENT' || code === 'UNSUPPORTED') throw new UsageError(text, hint);
    if (code !== 'UNAVAILABLE') throw error;
    throw new BusbarError(code, text, { hint: [hint, advice].filter(Boolean).join('\n'), cause: error });
  }
}

function fileIn(folder: TempDir, name: string): string {
  return `sqlite:${encodeURI(folder.join(name))}`;
}
