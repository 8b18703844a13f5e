/** The operator's view: what there is, and changes in bounded steps. */

import type { AdminDriver, QueueFilter } from '@busbar/api/driver';
import type { PendingResult, QueueInfo } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import type { Argument } from '../connection/connection.ts';
import { lexRange } from '../lua/lex-range.ts';
import { SCRIPTS, type ScriptName } from '../lua/scripts.ts';
import type { Settings } from '../options.ts';
import { keyOf } from '../queues/stored-message.ts';
import type { Bindings } from '../topics/bindings.ts';
import { exportState } from './export.ts';
import { Importer } from './import.ts';
import { browse } from './inspect.ts';
import { readInfo } from './queue-info.ts';

/** Queues of one script, and keys of one. */
const QUEUES = 50;
const KEYS = 200;
/** How long tidying may keep a transport from closing. */
const TIDY_MS = 1_000;
const PENDING = { d: 'done', s: 'started', n: 'not-found' } as const;

/** What a transport may do to a whole namespace. */
export interface Admin extends AdminDriver {
  /** Removes also the bookkeeping of a namespace that this client cleared and that holds nothing. */
  tidy(): Promise<void>;
}

export function openAdmin(link: Link, bindings: Bindings, settings: Settings): Admin {
  let isCleared = false;
  const importer = new Importer(link, settings);
  const change = (name: ScriptName, args: readonly Argument[], deadline: number): Promise<unknown> =>
    link.run(SCRIPTS[name], args, { deadline, repeat: false });
  const pending = async (queue: string, ids: readonly string[], delay: Argument, deadline: number) => {
    const results: PendingResult[] = [];
    for (const some of chunks(ids, KEYS)) {
      const letters = String(await change('pending', [queue, delay, ...some.map(keyOf)], deadline));
      for (const [index, id] of some.entries()) results.push({ id, status: PENDING[letters[index] as 'd'] });
    }
    return results;
  };
  return {
    queues: (filter, { deadline }) => listQueues(link, filter, deadline),
    topics: async ({ limit, after }, { deadline }) => {
      const fields = (await link.run(SCRIPTS.topics, [], { deadline, repeat: true })) as Buffer[];
      const events = new Map<string, number>();
      for (const { pattern } of await bindings.all(deadline)) if (!/[*>]/.test(pattern)) events.set(pattern, 0);
      for (let at = 0; at + 1 < fields.length; at += 2) events.set(String(fields[at]), Number(fields[at + 1]));
      const names = [...events.keys()].filter((name) => after === undefined || name > after).sort();
      return names.slice(0, limit).map((name) => ({ name, events: events.get(name) ?? 0 }));
    },
    bindings: async ({ deadline }) => (await bindings.all(deadline)).map(({ queue, pattern }) => ({ queue, pattern })),
    browse: (queue, filter, { deadline }) => browse(link, queue, filter, deadline),
    redrive: async (queue, ids, limit, { deadline }) => {
      let count = 0;
      for (const some of ids === undefined ? repeatedly() : chunks(ids, KEYS)) {
        if (count >= limit) break;
        const step = Number(await change('redrive', [queue, limit - count, ...some.map(keyOf)], deadline));
        count += step;
        if (ids === undefined && step === 0) break;
      }
      return count;
    },
    purge: async (queue, state, ids, { deadline }) => {
      let count = 0;
      for (const some of ids === undefined ? repeatedly() : chunks(ids, KEYS)) {
        const step = Number(await change('purge', [queue, state, ...some.map(keyOf)], deadline));
        count += step;
        if (ids === undefined && step === 0) break;
      }
      return count;
    },
    cancel: (queue, ids, { deadline }) => pending(queue, ids, '', deadline),
    reschedule: (queue, ids, delayMs, { deadline }) => pending(queue, ids, delayMs, deadline),
    deleteQueue: async (queue, { deadline }) => (await change('deleteQueue', [queue], deadline)) === 1,
    clear: async ({ deadline }) => {
      importer.forget();
      while ((await change('clear', [], deadline)) === 1) {}
      isCleared = true;
    },
    tidy: async () => {
      const deadline = performance.now() + TIDY_MS;
      while (isCleared && (await change('tidy', [], deadline)) === 1) {}
    },
    exportState: (context) => exportState(link, bindings, context.signal),
    importState: (records, { deadline }) => importer.take(records, deadline),
  };
}

async function listQueues(link: Link, filter: QueueFilter, deadline: number): Promise<QueueInfo[]> {
  const infos: QueueInfo[] = [];
  let { after } = filter;
  for (let isMore = true; isMore && infos.length < filter.limit; ) {
    const names = await namesOf(link, { ...filter, after, limit: filter.limit - infos.length }, deadline);
    for (const some of chunks(names, QUEUES)) {
      infos.push(...(await readInfo(link, some, deadline)));
    }
    isMore = filter.names === undefined && names.length > 0;
    after = names.at(-1);
  }
  return infos;
}

async function namesOf(link: Link, filter: QueueFilter, deadline: number): Promise<string[]> {
  const { names, prefix, limit, after } = filter;
  if (names !== undefined) {
    const wanted = names.filter((name) => name.startsWith(prefix) && name > (after ?? ''));
    return [...new Set(wanted)].sort().slice(0, limit);
  }
  const args = [...lexRange(prefix, after), limit];
  const found = (await link.run(SCRIPTS.names, args, { deadline, repeat: true })) as Buffer[];
  return found.map(String);
}

/** Steps without keys, for as long as they are asked for. */
function* repeatedly(): Iterable<readonly string[]> {
  for (;;) yield [];
}

function* chunks<T>(all: readonly T[], size: number): Iterable<readonly T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size);
}
