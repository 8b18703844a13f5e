/** Both parts of a hybrid transport: whether the fast one can be used, and what each reports. */

import { type CallContext, WorkFailures } from '@busbar/api/driver';
import {
  BusbarError,
  type CallOptions,
  type SendResult,
  type StateChange,
  type StoreReset,
  type Transport,
  type TransportPart,
  type WorkFailure,
} from '@busbar/api/transport';
import { boundsOf } from '../inner/calls.ts';
import type { SideName } from './routes.ts';
import type { HybridSide } from './side.ts';

/** A change that the fast side must get before it is used again. */
type Declaration = (transport: Transport, bounds: CallOptions) => Promise<void>;

/** How soon a declaration that failed is repeated. */
const AGAIN_MS = 500;

/** Both parts. */
export class Sides {
  readonly fast: HybridSide;
  readonly durable: HybridSide;
  /** How many messages and events went to each side. */
  readonly #sent = { fast: 0, durable: 0 };
  /** Those of them that a side had got when it last lost its data. */
  readonly #lost = { fast: 0, durable: 0 };
  readonly #carries: Readonly<Record<SideName, string>>;
  #isFastUp = true;
  /** Declared while the fast side was away, by what they are about. */
  readonly #declarations = new Map<string, Declaration>();
  readonly #upListeners = new Set<(isUp: boolean) => void>();
  readonly #stateListeners: ((change: StateChange) => void)[] = [];
  readonly #resetListeners: ((reset: StoreReset) => void)[] = [];
  readonly #failures = new WorkFailures();
  readonly #detach: readonly (() => void)[];
  #error: BusbarError | undefined;
  #again: NodeJS.Timeout | undefined;
  #isReturning = false;

  /** `carries`: what each side carries, in words. */
  constructor(fast: HybridSide, durable: HybridSide, carries: Readonly<Record<SideName, string>>) {
    this.#carries = carries;
    this.fast = fast;
    this.durable = durable;
    this.#isFastUp = fast.transport.state === 'open';
    this.#detach = [fast, durable].flatMap((each) => [
      each.transport.onState((change) => this.#onState(each, change)),
      each.transport.onReset((reset) => this.#onReset(each, reset)),
      each.transport.onFailure(({ work, error }) => this.#failures.report(`${work} of the ${each.side} side`, error)),
    ]);
  }

  of(name: SideName): HybridSide {
    return name === 'fast' ? this.fast : this.durable;
  }

  other({ side }: HybridSide): HybridSide {
    return side === 'fast' ? this.durable : this.fast;
  }

  /** Whether calls may go to the fast side. While it is away, the durable side takes its traffic. */
  get isFastUp(): boolean {
    return this.#isFastUp;
  }

  isUp({ side }: HybridSide): boolean {
    return side === 'durable' || this.#isFastUp;
  }

  /** Counts messages that a side has got, and returns their results. */
  counted<R extends SendResult>({ side }: HybridSide, results: R[]): R[] {
    for (const { status } of results) if (status === 'stored') this.#sent[side] += 1;
    return results;
  }

  /** Both parts as they are now. */
  get parts(): TransportPart[] {
    return [this.fast, this.durable].map(({ side, name, transport: { state } }) => ({
      role: side,
      name,
      state,
      carries: this.#carries[side],
      sent: this.#sent[side],
    }));
  }

  /** What both sides say, the durable one first. While the fast side is away only that. */
  async read<T>(
    context: CallContext,
    work: (side: HybridSide, bounds: CallOptions) => Promise<T>,
  ): Promise<readonly T[]> {
    const [durable, fast] = await Promise.all([
      work(this.durable, boundsOf(context)),
      this.whileFastUp(context, (inner) => work(this.fast, boundsOf(inner))),
    ]);
    return fast === undefined ? [durable] : [durable, fast.value];
  }

  /** Calls `listener` when the fast side goes away, and when it is back. Returns a function that ends this. */
  onFast(listener: (isUp: boolean) => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  /** Resolves when the fast side is up, or `signal` has fired. */
  async whenFastUp(signal: AbortSignal): Promise<void> {
    if (this.#isFastUp || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        stop();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const stop = this.onFast(end);
      signal.addEventListener('abort', end);
    });
  }

  /** Runs `work` on the fast side; undefined if that is away or goes away meanwhile. */
  async whileFastUp<T>(
    { signal, deadline }: CallContext,
    work: (context: CallContext) => Promise<T>,
  ): Promise<{ readonly value: T } | undefined> {
    if (!this.#isFastUp) return undefined;
    const ended = new AbortController();
    const end = (): void => ended.abort();
    const stop = this.onFast(end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    try {
      return { value: await work({ signal: ended.signal, deadline }) };
    } catch (error) {
      if (this.#isFastUp || signal.aborted) throw error;
      return undefined;
    } finally {
      stop();
      signal.removeEventListener('abort', end);
    }
  }

  /** Declares something on the fast side: now, or when it is back. The last declaration about one thing counts. */
  async declare(about: string, context: CallContext, declaration: Declaration): Promise<void> {
    const { transport } = this.fast;
    if (await this.whileFastUp(context, (inner) => declaration(transport, boundsOf(inner)))) return;
    this.#declarations.delete(about);
    this.#declarations.set(about, declaration);
  }

  /** Calls `listener` now with the state, and at each change. */
  onState(listener: (change: StateChange) => void): void {
    this.#stateListeners.push(listener);
    listener(this.#state());
  }

  onReset(listener: (reset: StoreReset) => void): void {
    this.#resetListeners.push(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): void {
    this.#failures.listen(listener);
  }

  async close(): Promise<void> {
    for (const detach of this.#detach) detach();
    clearTimeout(this.#again);
    // The outer transport has settled or kept its leases already.
    await Promise.all([this.fast, this.durable].map(({ transport }) => transport.close({ leases: 'keep' })));
  }

  #onState(side: HybridSide, { state, error }: StateChange): void {
    if (state !== 'open' && state !== 'reconnecting') return;
    this.#error = error;
    if (side === this.durable) this.#tell();
    else if (state === 'open') void this.#returned();
    else this.#setFastUp(false);
  }

  /** The fast side is used when it has what was declared meanwhile. */
  async #returned(): Promise<void> {
    if (this.#isReturning) return;
    this.#isReturning = true;
    try {
      for (const [about, declaration] of this.#declarations) {
        await declaration(this.fast.transport, {});
        if (this.#declarations.get(about) === declaration) this.#declarations.delete(about);
      }
      if (this.fast.transport.state === 'open') this.#setFastUp(true);
    } catch {
      // It is away again, or it refuses for a moment: its traffic stays on the durable side.
      this.#again = setTimeout(() => void this.#returned(), AGAIN_MS).unref();
    } finally {
      this.#isReturning = false;
    }
  }

  #setFastUp(isUp: boolean): void {
    if (isUp === this.#isFastUp) return;
    this.#isFastUp = isUp;
    this.#tell();
    for (const listener of [...this.#upListeners]) listener(isUp);
  }

  #tell(): void {
    for (const listener of this.#stateListeners) listener(this.#state());
  }

  #state(): StateChange {
    const error = this.#error;
    if (this.durable.transport.state === 'reconnecting') return { state: 'reconnecting', ...(error && { error }) };
    if (this.#isFastUp) return { state: 'open' };
    return { state: 'degraded', error: awayError(this.fast, this.durable, error) };
  }

  /** Says what the side carried, and how much of it this process knows of. */
  #onReset({ side, name }: HybridSide, { cause, detail }: StoreReset): void {
    const sent = this.#sent[side] - this.#lost[side];
    this.#lost[side] = this.#sent[side];
    const known = detail === undefined ? '' : `: ${detail}`;
    const carried = `It carries ${this.#carries[side]}. This program sent it ${sent} messages and events`;
    const reset = { cause, detail: `the ${side} side, ${name}${known}. ${carried}` };
    for (const listener of this.#resetListeners) listener(reset);
  }
}

function awayError(fast: HybridSide, durable: HybridSide, cause: BusbarError | undefined): BusbarError {
  return new BusbarError('UNAVAILABLE', `the fast side, ${fast.name}, is away; ${durable.name} takes its traffic`, {
    hint: 'See that its server runs; the transport reconnects by itself.',
    cause,
  });
}
