// Judges a round: compares what clients saw with what a bus promises, beyond what the faults and the capabilities excuse.
import { DONE, EVENTS, JOBS, WORK } from './chaos-client.ts';
import type { Fact } from './fact.ts';
import type { StoreLoss, World } from './world.ts';

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>;

/** How long after a loss a live bus may need to declare again what it owns. */
const DECLARED_MS = 3_000;
/** A bus that lived this long after a loss has reported it. */
const NOTICED_MS = 20_000;
/** The timers of two processes and the writing of a fact. */
const FUZZ_MS = 150;

/** The problems of a round; none if it passed. */
export function judge(facts: readonly Fact[], world: World): string[] {
  const round = new JudgedRound(facts, world);
  return [
    ...round.of('wrong').map(({ client, life, text }) => `${client}/${life}: ${text}`),
    ...brief('acknowledged and never delivered', missing(round)),
    ...brief('reported as failed, and delivered', undead(round)),
    ...brief('delivered after its end', risen(round)),
    ...brief('delivered before its time', early(round)),
    ...brief('begun after a later message of its key', disordered(round)),
    ...brief('live events twice or out of order', disorderedLive(round)),
    ...lockProblems(round),
    ...lossProblems(round),
    ...counterProblems(round),
    ...doneProblems(round),
  ];
}

/** Stored messages and events that a stream should have seen, and has not, as `stream id`. */
export function missing(round: JudgedRound): string[] {
  const lost: string[] = [];
  for (const sent of round.of('sent')) {
    if (sent.outcome !== 'stored' || round.isLost(sent)) continue;
    const streams = sent.stream === EVENTS ? round.subscriptionsAt(sent) : [sent.stream];
    for (const stream of streams) if (!round.got(stream, sent.id)) lost.push(`${stream} ${sent.id}`);
  }
  return lost;
}

/** A round, indexed. */
export class JudgedRound {
  readonly world: World;
  readonly #byKind: ReadonlyMap<string, readonly Fact[]>;
  readonly #got: ReadonlySet<string>;
  /** When every live bus had declared again what it owns, per loss. */
  readonly #settledAt: ReadonlyMap<StoreLoss, number>;

  constructor(facts: readonly Fact[], world: World) {
    this.world = world;
    this.#byKind = Map.groupBy(facts, ({ kind }) => kind);
    this.#got = new Set(this.of('got').map(({ stream, id }) => `${stream} ${id}`));
    this.#settledAt = new Map(world.losses.map((loss) => [loss, this.#settlingOf(loss)]));
  }

  of<Kind extends Fact['kind']>(kind: Kind): readonly Of<Kind>[] {
    return (this.#byKind.get(kind) ?? []) as readonly Of<Kind>[];
  }

  got(stream: string, id: string): boolean {
    return this.#got.has(`${stream} ${id}`);
  }

  /** Whether the message may be gone with a store that lost it. */
  isLost({ calledAt, at }: Of<'sent'>): boolean {
    return this.world.losses.some(
      (loss) => calledAt < this.settledAt(loss) && (loss.savedAt === undefined || at > loss.savedAt),
    );
  }

  /** Whether `at` is within a loss: from its beginning until everything is declared again. */
  isInLoss(at: number): boolean {
    return this.world.losses.some((loss) => at > (loss.savedAt ?? loss.from) && at < this.settledAt(loss));
  }

  settledAt(loss: StoreLoss): number {
    return this.#settledAt.get(loss) ?? loss.to;
  }

  /** The subscriptions that must get an event: durable ones that were declared before it, live ones that live until the end. */
  subscriptionsAt({ calledAt }: Of<'sent'>): string[] {
    const ready = this.of('ready').filter(({ at }) => at < calledAt);
    const durable = ready.map(({ client }) => `sub:own-${client.slice(1)}`);
    const isAlive = ({ client, life }: Fact): boolean =>
      this.world.alive.some((one) => one.client === client && one.life === life);
    const live = ready.filter(isAlive).map(({ client, life }) => `live:${client}/${life}`);
    return [...new Set([...(ready.length > 0 ? ['sub:shared'] : []), ...durable, ...live])];
  }

  /** The lives that were ready before `from` and not ended at `to`. */
  livesOver(from: number, to: number): readonly Of<'ready'>[] {
    const ready = this.of('ready');
    return ready.filter(({ client, life, at }) => {
      const hasNext = ready.some((next) => next.client === client && next.life > life && next.at < to);
      const isLast = this.world.alive.some((one) => one.client === client && one.life === life);
      const seenLater = this.#lastSeen(client, life) > to;
      return at < from && !hasNext && (isLast || seenLater);
    });
  }

  #lastSeen(client: string, life: number): number {
    const all = [...this.#byKind.values()].flat();
    return Math.max(0, ...all.filter((fact) => fact.client === client && fact.life === life).map(({ at }) => at));
  }

  /** Clients that were dead during the loss declare what they own when they are ready again. */
  #settlingOf({ from, to }: StoreLoss): number {
    const reports = this.of('lossReported').filter(({ at }) => at >= from);
    const clients = new Set(this.of('ready').map(({ client }) => client));
    const settled = [...clients].map((client) => {
      const firstReport = reports.find((report) => report.client === client)?.at ?? Number.POSITIVE_INFINITY;
      const nextReady =
        this.of('ready').find((ready) => ready.client === client && ready.at > to)?.at ?? Number.POSITIVE_INFINITY;
      const settledAt = Math.min(firstReport, nextReady);
      return Number.isFinite(settledAt) ? settledAt : to + NOTICED_MS;
    });
    return Math.max(to, ...settled) + DECLARED_MS;
  }
}

function undead(round: JudgedRound): string[] {
  const failed = round.of('sent').filter(({ outcome, stream }) => outcome === 'failed' && stream !== EVENTS);
  return failed.filter(({ stream, id }) => round.got(stream, id)).map(({ stream, id }) => `${stream} ${id}`);
}

/** Deliveries after a settlement that ended the message. */
function risen(round: JudgedRound): string[] {
  const ends = new Map(round.of('ended').map((end) => [end.id, end]));
  const after = round.of('got').filter(({ stream, id, attempt, at, calledAt = 0 }) => {
    const end = ends.get(id);
    if (stream !== WORK || end === undefined || at <= end.at) return false;
    const isLater = attempt > end.attempt || calledAt > end.at;
    return isLater && !mayBeUndone(round, end.at, at);
  });
  return after.map(({ id, attempt, client, life }) => `${id} attempt ${attempt} to ${client}/${life}`);
}

/** Whether a crash or a loss may have undone what was done at `doneAt`, before `at`. */
function mayBeUndone(round: JudgedRound, doneAt: number, at: number): boolean {
  const { crashes, losses, capabilities } = round.world;
  const { settleLossMs } = capabilities;
  const byCrash =
    settleLossMs > 0 &&
    crashes.some(({ from, to }) => from < at && doneAt > from - settleLossMs - FUZZ_MS && doneAt < to);
  // A sender that did not know the outcome sends again, and the new store does not know the id.
  const byLoss = losses.some((loss) => loss.from < at && doneAt < round.settledAt(loss));
  return byCrash || byLoss;
}

function early(round: JudgedRound): string[] {
  const delays = new Map(
    round
      .of('sent')
      .filter(({ delayMs }) => delayMs > 0)
      .map((sent) => [sent.id, sent.calledAt + sent.delayMs]),
  );
  // Without a monotonic clock the time of the machine decides, which may be set meanwhile.
  const fuzzMs = round.world.capabilities.features.monotonicClock ? 5 : FUZZ_MS;
  const isEarly = ({ id, at }: Of<'got'>): boolean => at < (delays.get(id) ?? 0) - fuzzMs;
  const got = round.of('got').filter((one) => one.stream === WORK && isEarly(one));
  return got.map(({ id, at }) => `${id} ${Math.round((delays.get(id) ?? 0) - at)} ms`);
}

/** Messages that began again, or for the first time, after a later one with their ordering key had begun. */
function disordered(round: JudgedRound): string[] {
  const unknown = new Set(
    round
      .of('sent')
      .filter(({ outcome }) => outcome === 'unknown')
      .map(({ id }) => id),
  );
  const keyed = round
    .of('got')
    .filter(({ stream, key, id }) => stream === WORK && key !== undefined && !unknown.has(id));
  const problems: string[] = [];
  for (const [, got] of Map.groupBy(keyed, ({ key }) => key)) {
    const sorted = got.toSorted((one, other) => one.at - other.at);
    let latest = sorted[0];
    for (const one of sorted) {
      if (latest === undefined || numberOf(one.id) >= numberOf(latest.id)) latest = one;
      else if ((one.calledAt ?? 0) > latest.at && !mayBeUndone(round, latest.at - FUZZ_MS, one.at))
        problems.push(`${one.id} attempt ${one.attempt} after ${latest.id}`);
    }
  }
  return problems;
}

function disorderedLive(round: JudgedRound): string[] {
  const live = round.of('got').filter(({ stream, at }) => stream.startsWith('live:') && !round.isInLoss(at));
  const unknown = new Set(
    round
      .of('sent')
      .filter(({ outcome }) => outcome !== 'stored')
      .map(({ id }) => id),
  );
  const problems: string[] = [];
  for (const [name, got] of Map.groupBy(live, ({ stream, key }) => `${stream} ${key}`)) {
    let last = -1;
    for (const { id } of got) {
      if (unknown.has(id)) continue;
      if (numberOf(id) <= last) problems.push(`${name} ${id} after ${last}`);
      last = Math.max(last, numberOf(id));
    }
  }
  return problems;
}

/** A store of one machine that begins again goes on by the wall clock. */
function isByWrongClock({ world }: JudgedRound, lock: Of<'locked'>, later: Of<'locked'>): boolean {
  if (!world.hasWrongClocks || world.capabilities.reach !== 'host') return false;
  return world.losses.some(({ to }) => lock.at < to && later.askedAt > to);
}

function lockProblems(round: JudgedRound): string[] {
  const locked = round.of('locked').toSorted((one, other) => one.at - other.at);
  const problems: string[] = [];
  for (const [index, lock] of locked.entries()) {
    for (const later of locked.slice(index + 1)) {
      const isAfter = later.askedAt > lock.at;
      if (later.token === lock.token || (isAfter && later.token < lock.token && !isByWrongClock(round, lock, later)))
        problems.push(`the lock had the token ${later.token} after ${lock.token}`);
    }
  }
  const acquired = new Map(locked.map(({ token, at }) => [token, at]));
  for (const { token, at, client, life } of round.of('wrote')) {
    const later = locked.find((other) => other.token > token && (acquired.get(other.token) ?? 0) < at);
    if (later === undefined || round.isInLoss(at) || round.isInLoss(at - NOTICED_MS)) continue;
    const lateMs = Math.round(at - (acquired.get(later.token) ?? 0));
    problems.push(
      `${client}/${life} held the lock with ${token}, ${lateMs} ms after ${later.client}/${later.life} had ${later.token}`,
    );
  }
  return problems;
}

/** Each bus that lived over a loss reports it once, and no bus reports a loss that was none. */
function lossProblems(round: JudgedRound): string[] {
  const problems: string[] = [];
  const { losses } = round.world;
  const reports = round.of('lossReported');
  for (const { from, to } of losses) {
    for (const { client, life } of round.livesOver(from, to + NOTICED_MS)) {
      const own = reports.filter((report) => report.client === client && report.life === life && report.at > from);
      if (own.length !== losses.length) problems.push(`${client}/${life} reported the loss ${own.length} times`);
    }
  }
  for (const { client, life, at } of reports) {
    if (!losses.some(({ from }) => at > from)) problems.push(`${client}/${life} reported a loss that was none`);
  }
  return problems;
}

function counterProblems(round: JudgedRound): string[] {
  if (round.world.losses.length > 0) return [];
  const of = (outcome: string): number => round.of('incremented').filter((one) => one.outcome === outcome).length;
  const sure = of('stored');
  const most = round.of('incrementing').length - of('failed');
  const { counter } = round.world;
  return counter >= sure && counter <= most ? [] : [`the counter is ${counter}, not between ${sure} and ${most}`];
}

/** Handlers publish one event per job, however often the job was handled. */
function doneProblems(round: JudgedRound): string[] {
  if (round.world.losses.length > 0) return [];
  const { done } = round.world;
  const jobs = round.of('sent').filter(({ stream, outcome }) => stream === JOBS && outcome === 'stored');
  const none = jobs.filter(({ id }) => !done.has(id)).map(({ id }) => id);
  const several = [...done].filter(([, count]) => count > 1).map(([id, count]) => `${id} ${count}`);
  return [...brief(`jobs without an event ${DONE}`, none), ...brief(`jobs with several events ${DONE}`, several)];
}

/** The number of a message in its loop. */
function numberOf(id: string): number {
  return Number(id.slice(id.indexOf('#') + 1));
}

function brief(what: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length > 5 ? ` and ${items.length - 5} more` : '';
  return [`${what}: ${items.slice(0, 5).join('; ')}${more}`];
}
