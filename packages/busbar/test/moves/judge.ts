// Compares what the agents of a move have seen with what the bus promises.
import type { Fact } from './facts.ts';

/** What was found. */
export interface Verdict {
  readonly sent: number;
  readonly handled: number;
  readonly events: number;
  readonly lost: number;
  /** Handled again although the ack before had succeeded. */
  readonly duplicated: number;
  /** Handled again, because the consumer was killed or the store closed before the ack. */
  readonly again: number;
  readonly faults: readonly string[];
}

type Of<K extends Fact['kind']> = Extract<Fact, { kind: K }>;

/** Judges the facts of all agents, and the events that an observer saw. */
export function judge(facts: readonly Fact[], observed: readonly string[]): Verdict {
  const of = <K extends Fact['kind']>(kind: K): Of<K>[] =>
    facts
      .filter((fact): fact is Of<K> => fact.kind === kind)
      .sort((one, other) => ('at' in one && 'at' in other && one.at > other.at ? 1 : -1));
  const [sent, handled, published] = [of('sent'), of('handled'), of('published')];
  const acked = new Map(of('acked').map(({ id, at }) => [id, at]));
  const byId = Map.groupBy(handled, ({ id }) => id);
  const lost = sent.filter(({ id }) => !byId.has(id));
  const repeats = [...byId.values()].filter((times) => times.length > 1);
  const duplicated = repeats.filter((times) => times.some(({ id, at }) => (acked.get(id) ?? at) < at));
  const seen = Map.groupBy(observed, (id) => id);
  const missing = published.filter(({ id }) => !seen.has(id));
  const twice = [...seen.values()].filter((times) => times.length > 1);
  return {
    ...{ sent: sent.length, handled: byId.size, events: published.length },
    ...{ lost: lost.length + missing.length, duplicated: duplicated.length + twice.length },
    again: repeats.length - duplicated.length,
    faults: [
      ...lost.slice(0, 5).map(({ id }) => `the message ${id} was never handled`),
      ...missing.slice(0, 5).map(({ id }) => `the event ${id} was never seen`),
      ...duplicated.slice(0, 5).map(([first]) => `the message ${first?.id} was handled after its ack`),
      ...twice.slice(0, 5).map(([id]) => `the event ${id} was seen twice`),
      ...disorder(handled),
      ...disorderOf(observed),
      ...tokenFaults(of('locked')),
    ],
  };
}

/** The first handling of each message, by key: ids rise. */
function disorder(handled: readonly Of<'handled'>[]): string[] {
  const known = new Set<string>();
  const first = handled.filter(({ id }) => !known.has(id) && known.add(id));
  return [...Map.groupBy(first, ({ key }) => key)].flatMap(([key, messages]) =>
    isRising(messages.map(({ id }) => id)) ? [] : [`the messages with the key ${key} came out of order`],
  );
}

function disorderOf(observed: readonly string[]): string[] {
  const byAgent = Map.groupBy(observed, (id) => id.slice(0, id.lastIndexOf('-')));
  return [...byAgent].flatMap(([agent, ids]) => (isRising(ids) ? [] : [`the events of ${agent} came out of order`]));
}

function isRising(ids: readonly string[]): boolean {
  return ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? ''));
}

/** Tokens rise from holder to holder, so none is there twice and a later holder has a higher one. */
function tokenFaults(locked: readonly Of<'locked'>[]): string[] {
  return [...Map.groupBy(locked, ({ lock }) => lock)].flatMap(([lock, holders]) =>
    holders.every(({ token }, index) => index === 0 || token > (holders[index - 1]?.token ?? 0))
      ? []
      : [`the tokens of ${lock} do not rise`],
  );
}
