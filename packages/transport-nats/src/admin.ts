/** The operator's view: what is read is read here, what is changed goes through the log. */

import type { AdminDriver, PageQuery } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import { HistoryReader } from './history-reader.ts';
import type { Janitor } from './janitor.ts';
import { inPieces } from './pieces.ts';
import type { Replica } from './replica.ts';
import { browse } from './state/browse.ts';
import type { Imported } from './state/operation.ts';
import { exportEntries, exportEvent, exportQueues, importMessage } from './state/transfer.ts';

export function openAdmin(replica: Replica, janitor: Janitor): AdminDriver {
  return {
    async queues({ names, prefix, ...page }) {
      await replica.barrier();
      const wanted = names && new Set(names);
      const chosen = [...replica.state.queues.values()].filter(
        ({ name }) => name.startsWith(prefix) && (wanted?.has(name) ?? true),
      );
      return pageOf(chosen, page).map((queue) => queue.info());
    },
    async topics(page) {
      await replica.barrier();
      const { bindings, history } = replica.state;
      const patterns = [...bindings.list()].map(({ pattern }) => pattern).filter((one) => !/[*>]/.test(one));
      const names = new Set([...history.counts.keys(), ...patterns]);
      const topics = [...names].map((name) => ({ name, events: history.counts.get(name) ?? 0 }));
      return pageOf(topics, page);
    },
    async bindings() {
      await replica.barrier();
      return [...replica.state.bindings.list()];
    },
    async browse(name, filter) {
      await replica.barrier();
      return browse(replica.state.queues.get(name), filter, replica.state.agenda);
    },
    redrive: (queue, ids, limit, context) => replica.ask({ op: 'redrive', queue, ids, limit }, context),
    purge: (queue, state, ids, context) => replica.ask({ op: 'purge', queue, state, ids }, context),
    cancel: (queue, ids, context) => replica.ask({ op: 'cancel', queue, ids }, context),
    reschedule: (queue, ids, delayMs, context) => replica.ask({ op: 'reschedule', queue, ids, delayMs }, context),
    deleteQueue: (queue, context) => replica.ask({ op: 'deleteQueue', queue }, context),
    async clear(context) {
      await replica.ask({ op: 'clear' }, context);
      await janitor.tidy();
    },
    exportState: () => exportState(replica),
    importState: (records, context) => importState(replica, records, context),
  };
}

function pageOf<T extends { readonly name: string }>(all: readonly T[], { limit, after }: PageQuery): T[] {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.filter(({ name }) => after === undefined || name > after).slice(0, limit);
}

/** State in one cut; the events up to it are read from the stream. */
async function* exportState(replica: Replica): AsyncIterable<StateRecord> {
  await replica.barrier();
  const [entries, queues, { last, trimmed }] = [
    exportEntries(replica.state),
    exportQueues(replica.state),
    replica.state.history,
  ];
  yield* entries;
  const reader = new HistoryReader(replica);
  try {
    for (let number = trimmed + 1; number <= last; ) {
      const { events, next } = await reader.read(Math.max(number, replica.state.history.trimmed + 1));
      for (const event of events) {
        if (event.number > last) break;
        yield { kind: 'event', topic: event.topic, message: exportEvent(event.message) };
      }
      number = next;
    }
  } finally {
    reader.close();
  }
  yield* queues;
}

/** Events are published, past all bindings; all else is one operation after the other, in the order of the export. */
async function importState(
  replica: Replica,
  all: readonly StateRecord[],
  context: Parameters<NonNullable<AdminDriver['importState']>>[1],
): Promise<number> {
  const counts: Promise<number>[] = [];
  for (const records of inPieces(all, (record) => JSON.stringify(record).length)) {
    const others: Imported[] = [];
    const flush = (): void => {
      if (others.length > 0) counts.push(replica.ask({ op: 'import', records: others.splice(0) }, context));
    };
    for (const record of records) {
      if (record.kind !== 'event') {
        others.push(record);
        continue;
      }
      flush();
      const messages = [importMessage(record.message)];
      const stored = replica.ask({ op: 'publish', topic: record.topic, messages, quiet: true }, context);
      counts.push(stored.then((results) => results.filter(({ status }) => status === 'stored').length));
    }
    flush();
  }
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
