/** The bus of a run: the caller's, in a namespace of its own, or one in a temporary folder; with `--migrate` two of them. */

import { randomUUID } from 'node:crypto';
import type { Transport } from '@busbar/api/transport';
import { planMove, type StoreEnds } from '@busbar/compose';
import { type TempDir, tempDir } from '@busbar/testbed';
import { type Bus, connect, openBus } from 'busbar';
import { UsageError } from '../options.ts';
import { isAudited } from './hybrid-place.ts';
import { openPlace, type Place, placeSource, placeTarget } from './place.ts';
import { RunMove } from './run-move.ts';
import type { Server } from './server.ts';

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
  /** The move of `--migrate`. */
  readonly move: RunMove | undefined;
}

/** Where the bus is, whether the run kills its server, and where it moves. */
export interface DemoBusOptions {
  readonly messageBus: string | undefined;
  readonly killServer: boolean;
  readonly migrate: string | undefined;
}

/** Opens the bus. Throws {@link UsageError} for a bus that several processes cannot share, and for one that cannot move. */
export async function openDemoBus({ messageBus, killServer, migrate }: DemoBusOptions): Promise<DemoBus> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempDir('busbar-demo'));
  const ns = `demo-${randomUUID().slice(0, 8)}`;
  const source = await placeSource(folder, messageBus, killServer);
  if (source.server !== undefined) stack.use(source.server);
  const target = migrate === undefined ? undefined : await placeTarget(folder, migrate);
  if (target?.server !== undefined) stack.use(target.server);
  const from = stack.use(await openPlace(source, ns));
  const to = target && stack.use(await openPlace(target, ns));
  const ends = to && { from: { transport: from, name: from.name }, to: { transport: to, name: to.name } };
  if (ends !== undefined) await checkMove(ends);
  const bus = target === undefined ? source.bus : migrateUrl(source, target);
  const opened = stack.use(target === undefined ? openBus(from) : await connect(bus, { ns }));
  const callers = [source.origin && from, target?.origin && to].filter((each) => each !== undefined);
  for (const transport of callers) stack.defer(() => empty(transport));
  const move = ends && stack.use(new RunMove(ends));
  const temporary = isAudited(source.bus) ? `temporary, its log in namespace ${ns}` : 'temporary';
  const where = callers.length === 0 ? temporary : `namespace ${ns}, removed at the end`;
  const kept = stack.move();
  return {
    ...{ bus: opened, address: { bus, ns }, folder, server: source.server, move },
    description: describe(opened.transport, ends, where),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function checkMove(ends: StoreEnds): Promise<void> {
  const [problem] = (await planMove(ends)).problems;
  if (problem !== undefined) throw new UsageError(`--migrate: ${problem.text}`, problem.hint);
}

function describe({ name, capabilities }: Transport, ends: StoreEnds | undefined, where: string): string {
  const { reach, durability } = capabilities;
  const what = ends === undefined ? name : `${ends.from.name}, then ${ends.to.name}`;
  return `${what}, ${where} (durability ${durability}, reach ${reach})`;
}

/** The bus that follows the move: all processes connect with it. */
function migrateUrl(from: Place, to: Place): string {
  return `migrate:?from=${encodeURIComponent(from.bus)}&to=${encodeURIComponent(to.bus)}`;
}

/** Removes what the run has left in a store, also behind a gate that its move has closed. */
async function empty({ admin, capabilities }: Transport): Promise<void> {
  if (!capabilities.features.gate) return admin.clear();
  const { revision } = await admin.gate();
  await admin.clear({ gateRevision: revision });
}
