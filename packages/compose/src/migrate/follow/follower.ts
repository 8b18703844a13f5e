/** Finds the store that carries the bus, and notices when the bus moves. */

import { Condition, isClosed } from '@busbar/api/driver';
import {
  BusbarError,
  type Gate,
  isBusbarError,
  type KvChange,
  type KvWatch,
  type StateChange,
} from '@busbar/api/transport';
import { pause } from '../../pause.ts';
import { isMarked, readCut, readMoveId } from '../mark.ts';
import { MARK } from '../move.ts';
import { Carrier, movedElsewhere, type Side } from './side.ts';

/** How often the gate is read while a move is under way. */
const LOOK_MS = 100;
/** How long it is read after the announcement of a move, which comes before the gate changes. */
const QUIET_MS = 2_000;
/** How often the gate is read otherwise, if the announcement was missed. */
const IDLE_MS = 5_000;
/** The most that one read of a gate may take. */
const READ_MS = 2_000;
/** A call that waits for a move ends this long before its deadline, so that its error names the move. */
const MARGIN_MS = 5;

/** The bounds of a call: those of a driver. */
interface Bounds {
  readonly signal: AbortSignal;
  readonly deadline: number;
}

/** What a follower reports. */
export interface FollowerEvents {
  onState(change: StateChange): void;
  onMoved(carrier: Carrier): void;
}

/** The store that carries the bus. */
export class Follower {
  readonly #sides: readonly [Side, Side];
  #at: 0 | 1 = 0;
  #current: Carrier;
  /** The gate of the current store is closed. */
  #isClosed = false;
  /** The bus has moved from the current store, and a mover fills it again. */
  #isFilled = false;
  /** The gate revision at which the current store was known to have the bus. */
  #revision: number;
  /** The last look of {@link Follower.isIntact} that began, and the one that has not begun. */
  #begunLook: Promise<unknown> = Promise.resolve();
  #nextLook: Promise<unknown> | undefined;
  #error: BusbarError | undefined;
  readonly #changed = new Condition();
  #pursuit: Promise<void> | undefined;
  #pursueUntil = 0;
  #watch: KvWatch | undefined;
  #stopState: (() => void) | undefined;
  readonly #idle: NodeJS.Timeout = setInterval(() => this.pursue(0), IDLE_MS).unref();
  readonly #stopped = new AbortController();
  readonly #on: FollowerEvents;

  private constructor(
    sides: readonly [Side, Side],
    start: { readonly at: 0 | 1; readonly carrier: Carrier; readonly gate: Gate },
    on: FollowerEvents,
  ) {
    this.#sides = sides;
    this.#at = start.at;
    this.#current = start.carrier;
    this.#revision = start.gate.revision;
    this.#on = on;
    if (start.gate.state === 'open') return;
    this.#setClosed(start.gate.state !== 'draining');
    this.pursue();
  }

  /** Finds the store that carries the bus. Throws CONFLICT if it is in neither. */
  static async start(sides: readonly [Side, Side], on: FollowerEvents): Promise<Follower> {
    const follower = new Follower(sides, await locate(sides), on);
    await follower.#attend();
    return follower;
  }

  get current(): Carrier {
    return this.#current;
  }

  /** The other store; undefined if it was away at the start. */
  get other(): Side {
    return this.#sides[this.#at === 0 ? 1 : 0];
  }

  /** The store that carries the bus, once it accepts calls. Rejects with UNAVAILABLE if the move takes too long. */
  async ready({ signal, deadline }: Bounds): Promise<Carrier> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (!this.#isClosed) return this.#current;
      const leftMs = deadline - performance.now() - MARGIN_MS;
      if (signal.aborted || leftMs <= 0) throw moveTooLong();
      await this.#changed.waitFor(Math.min(leftMs, QUIET_MS));
    }
  }

  /** Returns if a call of `carrier` that was refused with `error` may be repeated, after {@link Follower.ready}. */
  async refused(carrier: Carrier, error: unknown, { deadline }: Bounds): Promise<void> {
    if (!isBusbarError(error) || error.code !== 'CONFLICT' || performance.now() >= deadline) throw error;
    if (carrier !== this.#current || this.#isClosed) return;
    const gate = await carrier.transport.admin.gate();
    if (isClosed(gate)) {
      if (carrier === this.#current) this.#setClosed(true);
      this.pursue();
      return;
    }
    // The gate was closed and is open again; or it is another conflict.
    if (!error.retryable) throw error;
  }

  /** Whether `carrier` has the bus, also when a move is under way and no call was refused so far. */
  async isStill(carrier: Carrier): Promise<boolean> {
    if (this.#pursuit !== undefined && carrier === this.#current) await this.#look();
    return carrier === this.#current && !this.#isClosed;
  }

  /**
   * Whether the store of `carrier` has what it had when it carried the bus. It has not if the bus came back to it before this
   * process noticed, such as one that was stopped meanwhile.
   */
  async isIntact(carrier: Carrier, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      await this.#lookAfterNow();
      if (carrier.isLeft) return isUntouched(carrier);
      if (!this.#isFilled) return true;
      await this.#changed.waitFor(LOOK_MS);
    }
    return true;
  }

  /** Reads the gate until it is open, and at least for `ms`. */
  pursue(ms: number = QUIET_MS): void {
    this.#pursueUntil = Math.max(this.#pursueUntil, performance.now() + ms);
    this.#pursuit ??= this.#pursue().finally(() => {
      this.#pursuit = undefined;
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#idle);
    this.#stopped.abort();
    this.#changed.notify();
    this.#stopState?.();
    await Promise.all([this.#watch?.close(), this.#pursuit]);
  }

  async #pursue(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const gate = await this.#look();
      if (gate?.state === 'open' && performance.now() >= this.#pursueUntil) return;
      if (this.#error !== undefined) return;
      await pause(LOOK_MS, this.#stopped.signal, false);
    }
  }

  /** A look that begins after the call, shared by all calls until then. */
  #lookAfterNow(): Promise<unknown> {
    const begin = (): Promise<unknown> => {
      this.#nextLook = undefined;
      this.#begunLook = this.#look();
      return this.#begunLook;
    };
    this.#nextLook ??= this.#begunLook.then(begin, begin);
    return this.#nextLook;
  }

  /** Reads the gate of the current store, and goes where it points. */
  async #look(): Promise<Gate | undefined> {
    const carrier = this.#current;
    try {
      const gate = await carrier.transport.admin.gate({ timeoutMs: READ_MS, signal: this.#stopped.signal });
      if (carrier !== this.#current) return undefined;
      if (gate.state === 'moved') await this.#follow(carrier, gate);
      else if (await this.#cameBack(carrier, gate)) await this.#switch(carrier, this.#at);
      else this.#setClosed(gate.state === 'closed');
      return gate;
    } catch (error) {
      if (!isBusbarError(error)) throw error;
      // The source may be gone for good after its move: then the target decides.
      if (error.code === 'UNAVAILABLE' || error.code === 'TIMEOUT') await this.#followIfGone(carrier);
      return undefined;
    }
  }

  /** Whether the bus went from the store and came back since the last look. */
  async #cameBack(carrier: Carrier, gate: Gate): Promise<boolean> {
    this.#isFilled = isClosed(gate) && gate.movedTo !== undefined;
    if (this.#isFilled || gate.revision === this.#revision) return false;
    const cut = await readCut(carrier.transport);
    if ((cut?.generation ?? 0) > carrier.generation) return true;
    this.#revision = gate.revision;
    return false;
  }

  async #follow(left: Carrier, gate: Gate): Promise<void> {
    const { other } = this;
    const side = this.#sides[this.#at];
    if (await isContinuedBy(side, other, gate)) await this.#switch(left);
    else this.#fail(movedElsewhere(side, gate.movedTo, other));
  }

  async #followIfGone(left: Carrier): Promise<void> {
    const { transport } = this.other;
    if (transport === undefined) return;
    try {
      const bounds = { timeoutMs: READ_MS, signal: this.#stopped.signal };
      const [gate, cut, isHalf] = await Promise.all([
        transport.admin.gate(bounds),
        readCut(transport),
        isMarked(transport),
      ]);
      // The copy of a mover that was killed opens by itself, and the bus has not moved there.
      const isContinued = gate.state === 'open' && !isHalf && (cut?.generation ?? 0) > left.generation;
      if (isContinued) await this.#switch(left);
    } catch (error) {
      if (!isBusbarError(error)) throw error;
    }
  }

  /** Goes from `left` to a store, by default the other one. Two reads of one gate may both ask for it. */
  async #switch(left: Carrier, at: 0 | 1 = this.#at === 0 ? 1 : 0): Promise<void> {
    if (left !== this.#current) return;
    const carrier = await carrierOf(this.#sides[at], left.generation + 1);
    if (this.#stopped.signal.aborted || left !== this.#current) return;
    this.#at = at;
    this.#current = carrier;
    left.leave(carrier);
    this.#on.onMoved(carrier);
    this.pursue();
    // Closed until its own gate is read: the source has moved a moment before the target opens.
    this.#setClosed(true);
    await this.#attend();
  }

  /** Notices the announcement of a move, and the loss of the server. */
  async #attend(): Promise<void> {
    const { transport } = this.#current;
    this.#stopState?.();
    void this.#watch?.close();
    this.#stopState = transport.onState((change) => {
      if (change.state !== 'open' && change.state !== 'reconnecting') return;
      this.#tell(change.error);
      if (change.state === 'reconnecting') this.pursue();
    });
    this.#tell();
    let isSynced = false;
    const onChanges = (changes: readonly KvChange[]): void => {
      if (isSynced && changes.some(({ kind }) => kind === 'put')) this.pursue();
      isSynced ||= changes.some(({ kind }) => kind === 'synced');
    };
    this.#watch = await transport.kv.watch(`${MARK}/`, onChanges, { keepsAlive: false });
    // A move that was announced since the gate was read.
    this.pursue(0);
  }

  #setClosed(isClosed: boolean): void {
    if (isClosed === this.#isClosed) return;
    this.#isClosed = isClosed;
    this.#tell();
    this.#changed.notify();
  }

  /** Reports the state: a move is like a server that is away. */
  #tell(error?: BusbarError): void {
    const isAway = this.#isClosed || this.#current.transport.state === 'reconnecting';
    if (isAway) this.#on.onState({ state: 'reconnecting', error: error ?? moveUnderWay(this.#current.name) });
    else this.#on.onState({ state: 'open' });
  }

  #fail(error: BusbarError): void {
    this.#error = error;
    this.#changed.notify();
  }
}

/** Whether a store that was left has not been filled again. One that is away has given what it had. */
async function isUntouched({ transport, next }: Carrier): Promise<boolean> {
  if (next?.transport === transport) return false;
  try {
    return (await transport.admin.gate({ timeoutMs: READ_MS })).state === 'moved';
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    return true;
  }
}

/** The store that carries the bus, and its gate. */
async function locate([from, to]: readonly [Side, Side]): Promise<{ at: 0 | 1; carrier: Carrier; gate: Gate }> {
  const source = await from.transport?.admin.gate();
  // A source that is closed and has moved before is filled by a move back.
  const hasMoved = source === undefined || (isClosed(source) && source.movedTo !== undefined);
  if (!hasMoved) return { at: 0, carrier: await carrierOf(from, 0), gate: source };
  if (source !== undefined && !(await isContinuedBy(from, to, source))) throw movedElsewhere(from, source.movedTo, to);
  const carrier = await carrierOf(to, 1);
  return { at: 1, carrier, gate: await carrier.transport.admin.gate() };
}

/** Whether `other` is where the bus of `side` went: it has the same name, or both name the same move. */
async function isContinuedBy(side: Side, other: Side, { movedTo }: Gate): Promise<boolean> {
  if (other.transport === undefined) return false;
  if (movedTo === other.name) return true;
  const [cut, id] = await Promise.all([
    readCut(other.transport),
    side.transport === undefined ? undefined : readMoveId(side.transport),
  ]);
  return cut !== undefined && cut.id === id;
}

async function carrierOf({ name, transport }: Side, generation: number): Promise<Carrier> {
  if (transport === undefined) throw new BusbarError('UNAVAILABLE', `cannot reach ${name}`);
  return new Carrier(name, transport, (await readCut(transport)) ?? { generation, position: undefined });
}

function moveUnderWay(name: string): BusbarError {
  return new BusbarError('UNAVAILABLE', `the bus in ${name} is being moved`, {
    hint: 'Calls wait until the move is over. busbar migrate status shows it.',
  });
}

function moveTooLong(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the bus is being moved, and the move was not over in time', {
    hint: 'Raise the timeout. busbar migrate status shows the move.',
  });
}
