/**
 * Moves a bus. Each step can be killed: the gates then open by themselves, and the next run clears its own half copy. What
 * decides is one compare and set, when the gate of the source becomes `moved`.
 */

import { BusbarError, type ErrorCode, invalid, MOVE_KEY, newId, type StateRecord } from '@busbar/api/transport';
import type { StoreEnd, StoreEnds } from '../store-end.ts';
import { contentsOf } from './contents.ts';
import { ExportDigest, exportOf } from './export-digest.ts';
import { HeldGate } from './held-gate.ts';
import { announceMove, isHalfCopyOf, readCut, readMoveId, recordOf, removeMark } from './mark.ts';
import { CUT, MARK, type MoveOptions, type MovePlan, type MoveReport } from './move.ts';
import { conflicts, isEmpty, lacking, tooLarge } from './plan.ts';
import { bytesOf } from './record-counter.ts';
import { StepTimer } from './step-timer.ts';

const DRAIN_MS = 5_000;
/** How long the mover waits before it looks again for leased messages: twice as long each time. */
const LOOK_MS = 20;
const MAX_LOOK_MS = 500;
const MAX_NAMED = 1_000;
const MAX_PAGE = 1_000;
/** A large store takes long to clear. The move has the gate meanwhile. */
const UNBOUNDED = { timeoutMs: Number.POSITIVE_INFINITY } as const;

/** Moves everything from one store to the other, while agents work. */
export async function moveBus(ends: StoreEnds, options: MoveOptions = {}): Promise<MoveReport> {
  refuse('UNSUPPORTED', lacking(ends));
  await finishCutover(ends);
  refuse('CONFLICT', await conflicts(ends));
  await using target = await HeldGate.take(ends.to.transport.admin, 'closed');
  const known = { keys: 0, bindings: 0, ids: 0, ...(await contentsOf(ends.from.transport)) };
  return await new Move(ends, { options, target, steps: new StepTimer(ends, options, known) }).run();
}

/** Ends a move that was not completed: the source goes on, and the half copy is deleted. */
export async function rollBack({ from, to }: StoreEnds): Promise<void> {
  await finishCutover({ from, to });
  const gate = await from.transport.admin.gate();
  if (gate.state === 'moved') {
    throw new BusbarError('CONFLICT', `the bus is in ${gate.movedTo} already`, {
      hint: 'A move in the other direction brings it back.',
    });
  }
  const { movedTo } = await to.transport.admin.gate();
  await using target = await HeldGate.take(to.transport.admin, 'closed');
  if (await isHalfCopyOf(from, to.transport)) {
    await to.transport.admin.clear({ gateRevision: target.revision, ...UNBOUNDED });
  }
  // A store that had moved before stays closed: its bus is elsewhere.
  if (movedTo === undefined) await target.change('open');
  else await target.change('moved', movedTo);
  const source = await from.transport.admin.gate();
  if (source.state !== 'open') await from.transport.admin.setGate('open', { ifRevision: source.revision });
}

/**
 * Opens a target whose mover was killed right after the cutover. A store that had moved away before falls back to `moved`, so
 * it does not open by itself.
 */
async function finishCutover({ from, to }: StoreEnds): Promise<void> {
  if (!from.transport.capabilities.features.gate || !to.transport.capabilities.features.gate) return;
  const [source, target] = await Promise.all([from.transport.admin.gate(), to.transport.admin.gate()]);
  if (source.state !== 'moved') return;
  const [id, cut] = await Promise.all([readMoveId(from.transport), readCut(to.transport)]);
  if (id === undefined || cut?.id !== id) return;
  if (target.state !== 'open') {
    await using gate = await HeldGate.take(to.transport.admin, 'closed');
    await gate.change('open');
  }
  await removeMark(to.transport);
}

/** Empties a source after its move. Its gate stays, and says where the bus is. */
export async function retire({ transport, name }: StoreEnd): Promise<void> {
  const gate = await transport.admin.gate();
  if (gate.state !== 'moved') throw invalid(`the bus is still in ${name}`, 'Move it first.');
  const id = await readMoveId(transport);
  await transport.admin.clear({ gateRevision: gate.revision, ...UNBOUNDED });
  // Programs that follow know by it that the target continues this store.
  if (id !== undefined)
    await transport.admin.importState([recordOf(MOVE_KEY, { id })], { gateRevision: gate.revision });
}

/** What a move works with. */
interface MoveParts {
  readonly options: MoveOptions;
  /** The gate of the target. */
  readonly target: HeldGate;
  readonly steps: StepTimer;
}

class Move {
  readonly #from: StoreEnd;
  readonly #to: StoreEnd;
  readonly #options: MoveOptions;
  readonly #target: HeldGate;
  readonly #steps: StepTimer;
  readonly #id = newId();
  /** The last event that was copied while the source was open. */
  #lastEvent: string | undefined;

  constructor({ from, to }: StoreEnds, { options, target, steps }: MoveParts) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#target = target;
    this.#steps = steps;
  }

  async run(): Promise<MoveReport> {
    await this.#steps.run('copy', () => this.#copyEvents());
    const paused = performance.now();
    await using source = await HeldGate.take(this.#from.transport.admin, 'draining');
    await announceMove(this.#from.transport, this.#id);
    const redelivered = await this.#steps.run('drain', () => this.#drain());
    await source.change('closed');
    let digest = await this.#steps.run('transfer', () => this.#transfer(source));
    let differences = await this.#steps.run('verify', () => this.#compare(digest));
    if (differences.length > 0 && this.#lastEvent !== undefined) {
      // The source has deleted events since they were copied, by its retention or by a clear.
      digest = await this.#steps.run('transfer', () => this.#transferAgain(source));
      differences = await this.#steps.run('verify', () => this.#compare(digest));
    }
    checkEqual(differences);
    await this.#steps.run('cutover', async () => {
      this.#target.assertHeld();
      await source.change('moved', this.#to.name);
      await this.#target.change('open');
    });
    const pauseMs = performance.now() - paused;
    await removeMark(this.#to.transport);
    const { ms, estimated } = this.#steps;
    return { records: digest.counts, ms, pauseMs, estimated, redelivered };
  }

  /**
   * The history of topics only grows, so the most of it is copied before the pause. A body that the target does not take is
   * found here, while the source is open.
   */
  async #copyEvents(): Promise<void> {
    await this.#clearTarget();
    await this.#import(
      this.#steps.records('copy', this.#export(), (record) => {
        if (record.kind === 'event' || record.kind === 'message') this.#checkSize(record.message.bodyBase64);
        if (record.kind === 'event') this.#lastEvent = record.message.message.id;
        return record.kind === 'event';
      }),
    );
  }

  #checkSize(bodyBase64: string): void {
    refuse('PAYLOAD_TOO_LARGE', tooLarge(bytesOf(bodyBase64), this.#to.transport));
  }

  /** Waits until no message is leased. Returns those that still are. */
  async #drain(): Promise<MoveReport['redelivered']> {
    const until = performance.now() + (this.#options.drainMs ?? DRAIN_MS);
    let held = await this.#held(await this.#queuesWithLeases());
    // Nothing is claimed meanwhile, so only these queues can still have leased messages.
    for (let waitMs = LOOK_MS; held.size > 0; waitMs = Math.min(MAX_LOOK_MS, waitMs * 2)) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) break;
      this.#options.signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, leftMs)));
      held = await this.#held(held.keys());
    }
    const ids = [...held.values()].flat();
    return { count: ids.length, ids: ids.slice(0, MAX_NAMED) };
  }

  /** The ids of leased messages, by queue. To count all messages again would take long on NATS. */
  async #held(names: Iterable<string>): Promise<Map<string, string[]>> {
    const held = new Map<string, string[]>();
    for (const name of names) {
      const ids: string[] = [];
      for (let after: string | undefined; ; ) {
        const query = { state: 'leased', limit: MAX_PAGE, after } as const;
        const { messages, next } = await this.#from.transport.admin.browse(name, query);
        ids.push(...messages.map(({ message }) => message.id));
        after = next;
        if (after === undefined) break;
      }
      if (ids.length > 0) held.set(name, ids);
    }
    return held;
  }

  async #queuesWithLeases(): Promise<string[]> {
    const names: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await this.#from.transport.admin.queues({ after });
      for (const { name, leased } of page) if (leased > 0) names.push(name);
      if (page.length === 0) return names;
      after = page.at(-1)?.name;
    }
  }

  /** Copies the closed source. Events that are there already are left out. */
  async #transfer(source: HeldGate): Promise<ExportDigest> {
    const digest = new ExportDigest();
    let isKnown = this.#lastEvent !== undefined;
    await this.#import(
      this.#steps.records('transfer', this.#export(), (record) => {
        digest.add(record);
        if (record.kind !== 'event') return true;
        if (!isKnown) return true;
        isKnown = record.message.message.id !== this.#lastEvent;
        return false;
      }),
    );
    // Retention deleted the last event that was copied, so all that are left are newer.
    if (isKnown && this.#lastEvent !== undefined) await this.#import(only(this.#export(), 'event'));
    source.assertHeld();
    await this.#keepCut();
    return digest;
  }

  /** Keeps where events of the source end in the target. */
  async #keepCut(): Promise<void> {
    const generation = ((await readCut(this.#from.transport))?.generation ?? 0) + 1;
    await using probe = await this.#to.transport.topics.subscribe('>', { from: 'new' }, () => undefined);
    await this.#import([recordOf(CUT, { id: this.#id, generation, position: probe.position })]);
  }

  /** Begins again with an empty target, while the source is closed. */
  async #transferAgain(source: HeldGate): Promise<ExportDigest> {
    this.#lastEvent = undefined;
    await this.#clearTarget();
    return this.#transfer(source);
  }

  /** Clients see a clear as the loss of the store, so an empty one is left alone. */
  async #clearTarget(): Promise<void> {
    const { transport } = this.#to;
    if (!(await isEmpty(transport))) await transport.admin.clear({ gateRevision: this.#target.revision, ...UNBOUNDED });
    const incarnation = this.#from.transport.past?.incarnation;
    await this.#import([recordOf(MARK, { from: this.#from.name, incarnation, startedAt: Date.now() })]);
  }

  /** What differs in the target, in words. */
  async #compare(digest: ExportDigest): Promise<string[]> {
    const copy = new ExportDigest();
    const records = exportOf(this.#to.transport, this.#options.signal);
    for await (const record of this.#steps.records('verify', records, () => true)) copy.add(record);
    return digest.differences(copy);
  }

  #export(): AsyncIterable<StateRecord> {
    return exportOf(this.#from.transport, this.#options.signal);
  }

  async #import(records: Iterable<StateRecord> | AsyncIterable<StateRecord>): Promise<void> {
    const { signal } = this.#options;
    await this.#to.transport.admin.importState(records, { gateRevision: this.#target.revision, signal });
  }
}

async function* only(records: AsyncIterable<StateRecord>, kind: StateRecord['kind']): AsyncGenerator<StateRecord> {
  for await (const record of records) if (record.kind === kind) yield record;
}

function refuse(code: ErrorCode, [problem]: MovePlan['problems']): void {
  if (problem !== undefined) throw new BusbarError(code, problem.text, { hint: problem.hint });
}

function checkEqual(differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new BusbarError('INTERNAL', `the copy differs from the source: ${differences.slice(0, 10).join('; ')}`, {
    hint: 'The bus is still in the source, which opens again. Report the difference.',
  });
}
