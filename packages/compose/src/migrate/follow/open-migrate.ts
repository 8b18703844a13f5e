/** A transport over two stores that follows a move from one to the other, without a word of its program. */

import { type Driver, type OpenTransportOptions, openTransport, WorkFailures } from '@busbar/api/driver';
import {
  BusbarError,
  invalid,
  isBusbarError,
  requireFeature,
  type StateChange,
  type StorePast,
  type StoreReset,
  type Transport,
  type Warning,
  type WorkFailure,
} from '@busbar/api/transport';
import { weakest } from '../../inner/capabilities.ts';
import { isMarked, readCut } from '../mark.ts';
import { openAdmin } from './admin.ts';
import { MigrateCalls } from './calls.ts';
import { Follower } from './follower.ts';
import { openKv } from './kv.ts';
import { openQueues } from './queues.ts';
import type { Carrier, Side } from './side.ts';
import { openTopics } from './topics.ts';

/** One of the two stores. */
export interface MigratePart {
  /** Its URL without secrets, as the mover names it. */
  readonly name: string;
  open(): Promise<Transport>;
}

/** The stores between which the bus may move. */
export interface MigrateParts {
  readonly from: MigratePart;
  readonly to: MigratePart;
}

/**
 * Opens the bus in whichever of both stores carries it, and follows its moves. Calls wait during a move. Rejects with
 * CONFLICT if the bus has moved to a third store, and with UNSUPPORTED if a store has no gate.
 */
export async function openMigrate({ from, to }: MigrateParts, options?: OpenTransportOptions): Promise<Transport> {
  if (from.name === to.name) throw invalid(`from and to are the same bus: ${from.name}`, 'Name two stores.');
  const target = { name: to.name, transport: await to.open() };
  const opened: Side[] = [target];
  try {
    const source = await openSource(from, target);
    opened.push(source);
    checkParts([source, target]);
    return openTransport(await MigrateDriver.open([source, target]), options);
  } catch (error) {
    await Promise.all(opened.map(({ transport }) => transport?.close()));
    throw error;
  }
}

/** The source. One that is away is not needed if the target has taken its bus. */
async function openSource(
  { name, open }: MigratePart,
  target: Side & { readonly transport: Transport },
): Promise<Side> {
  try {
    return { name, transport: await open() };
  } catch (cause) {
    const { transport } = target;
    if (!isBusbarError(cause) || cause.code !== 'UNAVAILABLE' || !transport.capabilities.features.gate) throw cause;
    const { state, revision } = await transport.admin.gate();
    if (state !== 'open' || revision === 0) throw cause;
    if (await isMarked(transport)) throw halfCopy(name, target.name, cause);
    return { name, transport: undefined };
  }
}

/** UNAVAILABLE: the copy of a mover that was killed opens by itself, and the bus has not moved there. */
function halfCopy(from: string, to: string, cause: BusbarError): BusbarError {
  return new BusbarError('UNAVAILABLE', `cannot reach ${from}, and the move from it to ${to} may be incomplete`, {
    hint: `Start ${from} again. If the move is known to be complete, use ${to} alone.`,
    cause,
  });
}

function checkParts(sides: readonly [Side, Side]): void {
  const [source, target] = sides.map(({ transport }) => transport);
  for (const { transport } of sides) {
    if (transport !== undefined) requireFeature(transport.capabilities, 'gate');
  }
  const incarnation = source?.past?.incarnation;
  if (incarnation === undefined || incarnation !== target?.past?.incarnation) return;
  throw new BusbarError('INVALID_ARGUMENT', `${sides[0].name} and ${sides[1].name} are the same store`, {
    hint: 'Name two stores.',
  });
}

/** What the weaker of both lacks from the start. */
const MISSING = {
  calls: 'Requests go over queues, so that they move with the bus.',
  gate: 'A migrate transport follows the gates of its parts.',
} as const;

class MigrateDriver implements Driver {
  readonly name = 'migrate';
  readonly capabilities: Driver['capabilities'];
  readonly warnings: readonly Warning[];
  readonly queues: Driver['queues'];
  readonly topics: Driver['topics'];
  readonly kv: Driver['kv'];
  readonly admin: Driver['admin'];
  readonly #sides: readonly Side[];
  readonly #follower: Follower;
  readonly #reports: Reports;

  private constructor(sides: readonly Side[], follower: Follower, reports: Reports) {
    this.#sides = sides;
    this.#follower = follower;
    this.#reports = reports;
    const transports = sides.flatMap(({ transport }) => transport ?? []);
    this.capabilities = weakest(
      transports.map(({ capabilities }) => capabilities),
      MISSING,
    );
    this.warnings = transports.flatMap(({ warnings = [] }) => warnings);
    const calls = new MigrateCalls(follower);
    this.queues = openQueues(calls);
    this.topics = openTopics(calls);
    this.kv = openKv(calls);
    this.admin = openAdmin(calls);
  }

  static async open(sides: readonly [Side, Side]): Promise<Driver> {
    const reports = new Reports();
    const follower = await Follower.start(sides, reports);
    reports.attach(follower.current);
    return new MigrateDriver(sides, follower, reports);
  }

  get past(): StorePast | undefined {
    return this.#follower.current.transport.past;
  }

  onState(listener: (change: StateChange) => void): void {
    this.#reports.listenState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#reports.listenReset(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#reports.failures.listen(listener);
  }

  async close(): Promise<void> {
    await this.#follower.close();
    // The outer transport has settled or kept its leases already.
    await Promise.all(this.#sides.map(({ transport }) => transport?.close({ leases: 'keep' })));
  }
}

/** What the present store reports, for the listeners of the driver, which come later. */
class Reports {
  #state: StateChange = { state: 'open' };
  readonly #stateListeners: ((change: StateChange) => void)[] = [];
  readonly #resetListeners: ((reset: StoreReset) => void)[] = [];
  /** Of the background work of the present store. */
  readonly failures = new WorkFailures();
  #detach: readonly (() => void)[] = [];

  onState(change: StateChange): void {
    this.#state = change;
    for (const listener of this.#stateListeners) listener(change);
  }

  onMoved(carrier: Carrier): void {
    this.attach(carrier);
  }

  /** Forwards what the store of `carrier` reports. */
  attach(carrier: Carrier): void {
    for (const detach of this.#detach) detach();
    const { transport } = carrier;
    this.#detach = [
      transport.onReset((reset) => void this.#relay(carrier, reset)),
      transport.onFailure(({ work, error }) => this.failures.report(work, error)),
    ];
  }

  /** A store to which the bus has moved back was cleared by the mover, before it was filled: that is no loss. */
  async #relay(carrier: Carrier, reset: StoreReset): Promise<void> {
    if (reset.cause === 'replaced' && (await holdsMove(carrier))) return;
    for (const listener of this.#resetListeners) listener(reset);
  }

  listenState(listener: (change: StateChange) => void): void {
    this.#stateListeners.push(listener);
    listener(this.#state);
  }

  listenReset(listener: (reset: StoreReset) => void): void {
    this.#resetListeners.push(listener);
  }
}

/** Whether a store still has what the move that made it the carrier has brought. */
async function holdsMove({ transport, generation }: Carrier): Promise<boolean> {
  try {
    return (await readCut(transport))?.generation === generation;
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    return false;
  }
}
