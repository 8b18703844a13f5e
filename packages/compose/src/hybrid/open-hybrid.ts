/** A transport of two parts: a fast one for what may be lost with it, and a durable one for the rest. */

import { type Driver, openTransport } from '@busbar/api/driver';
import {
  type Capabilities,
  invalid,
  isBusbarError,
  type StateChange,
  type StorePast,
  type StoreReset,
  type Transport,
  type TransportPart,
  type Warning,
  type WorkFailure,
} from '@busbar/api/transport';
import { innerQueues } from '../inner/queues.ts';
import { openAdmin } from './admin.ts';
import { openCalls } from './calls.ts';
import { capabilitiesOf, checkReach } from './capabilities.ts';
import { openKv } from './kv.ts';
import { LateTransport } from './late-transport.ts';
import { type HybridOptions, type HybridSettings, OPTIONS } from './options.ts';
import { openQueues } from './queues/queues.ts';
import { SharedReceives } from './queues/shared-receives.ts';
import { describeRoutes, Routes } from './routes.ts';
import type { HybridSide } from './side.ts';
import { Sides } from './sides.ts';
import { openTopics } from './topics/topics.ts';

/** One of the two parts. */
export interface HybridPart {
  /** Its URL without secrets. */
  readonly name: string;
  /**
   * The fast part need not be there when the hybrid opens. Only for a backend without a fast path of requests: programs that
   * opened with it and without it would not find each other. Default false.
   */
  readonly opensLate?: boolean;
  open(): Promise<Transport>;
}

/** Both parts. */
export interface HybridParts {
  readonly fast: HybridPart;
  readonly durable: HybridPart;
}

/**
 * Opens both parts as one transport. Each queue, topic and key lives in one of them: see {@link HybridOptions}. Rejects with
 * INVALID_ARGUMENT if both are one store, or if one does not reach all programs.
 */
export async function openHybrid({ fast, durable }: HybridParts, options?: HybridOptions): Promise<Transport> {
  const settings = OPTIONS.complete(options);
  if (fast.name === durable.name) throw invalid(`fast and durable are the same bus: ${fast.name}`, 'Name two stores.');
  const opened: Transport[] = [];
  const open = async (side: HybridSide['side'], part: HybridPart): Promise<HybridSide> => {
    const transport = await part.open();
    opened.push(transport);
    return { side, name: part.name, transport, queues: innerQueues(transport) };
  };
  try {
    const [first, second] = await Promise.allSettled([open('fast', fast), open('durable', durable)]);
    if (second.status === 'rejected') throw second.reason;
    const other = second.value;
    const one = first.status === 'fulfilled' ? first.value : openLater(fast, other, settings, first.reason);
    if (one.transport instanceof LateTransport) opened.push(one.transport);
    checkParts(one, other, settings);
    return openTransport(new HybridDriver(one, other, settings), settings);
  } catch (error) {
    await Promise.all(opened.map((transport) => transport.close()));
    throw error;
  }
}

/**
 * The fast side while its server is away. Its capabilities are known in part: so it carries only what the durable side
 * vouches for.
 */
function openLater(part: HybridPart, { transport }: HybridSide, settings: HybridSettings, error: unknown): HybridSide {
  const isAway = isBusbarError(error) && error.code === 'UNAVAILABLE' && error.retryable;
  if (!isAway || part.opensLate !== true || new Routes(settings).isFastStore) throw error;
  const { features, reasons } = transport.capabilities;
  const assumed: Capabilities = {
    ...transport.capabilities,
    reach: 'network',
    features: { ...features, calls: false },
    reasons: { ...reasons, calls: 'Requests use queues.' },
  };
  const late = new LateTransport(part.name, () => part.open(), assumed, error);
  return { side: 'fast', name: part.name, transport: late, queues: innerQueues(late) };
}

function checkParts(fast: HybridSide, durable: HybridSide, { reach }: HybridSettings): void {
  const incarnation = fast.transport.past?.incarnation;
  if (incarnation !== undefined && incarnation === durable.transport.past?.incarnation) {
    throw invalid(`${fast.name} and ${durable.name} are the same store`, 'Name two stores.');
  }
  checkReach([fast, durable], reach ?? durable.transport.capabilities.reach);
}

class HybridDriver implements Driver {
  readonly name = 'hybrid';
  readonly capabilities: Driver['capabilities'];
  readonly warnings: readonly Warning[];
  readonly queues: Driver['queues'];
  readonly topics: Driver['topics'];
  readonly kv: Driver['kv'];
  readonly admin: Driver['admin'];
  readonly calls?: NonNullable<Driver['calls']>;
  readonly #sides: Sides;
  readonly #receives: SharedReceives;

  constructor(fast: HybridSide, durable: HybridSide, settings: HybridSettings) {
    const routes = new Routes(settings);
    this.capabilities = capabilitiesOf(fast.transport.capabilities, durable.transport.capabilities, routes);
    this.warnings = [fast, durable].flatMap(({ transport }) => transport.warnings ?? []);
    this.#sides = new Sides(fast, durable, describeRoutes(settings));
    this.#receives = new SharedReceives(this.#sides, routes);
    this.queues = openQueues(this.#sides, routes, this.#receives);
    this.topics = openTopics(this.#sides, routes);
    this.kv = openKv(durable);
    this.admin = openAdmin(this.#sides, routes);
    if (fast.transport.calls !== undefined) this.calls = openCalls(fast.transport.calls);
  }

  get parts(): readonly TransportPart[] {
    return this.#sides.parts;
  }

  get past(): StorePast | undefined {
    return this.#sides.durable.transport.past;
  }

  onState(listener: (change: StateChange) => void): void {
    this.#sides.onState(listener);
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#sides.onReset(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#sides.onFailure(listener);
  }

  async close(): Promise<void> {
    await this.#receives.close();
    await this.#sides.close();
  }
}
