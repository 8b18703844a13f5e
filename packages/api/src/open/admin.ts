/** The admin facet of a transport: checks arguments and splits imports into batches. */

import type { Admin, BrowsedMessage, BrowsePage, PendingResult, StateRecord } from '../contract/admin.ts';
import type { CallOptions } from '../contract/call-options.ts';
import { type Capabilities, requireFeature } from '../contract/capabilities.ts';
import type { BrowseFilter, PageQuery } from '../contract/driver.ts';
import { invalid, toBusbarError } from '../contract/errors.ts';
import type { ListOptions } from '../contract/kv.ts';
import { checkQueueName, quote } from '../contract/names.ts';
import {
  checkArray,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkText,
  describe,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import type { KeepAlive } from '../driver-kit/keep-alive.ts';
import { readAhead } from '../driver-kit/read-ahead.ts';
import { checkGateRevisionOption, openGate } from './gate.ts';
import { assertNotAborted } from './inflight-calls.ts';
import { checkId } from './prepare-message.ts';
import { readStateRecord } from './state-record.ts';
import type { TransportInternals } from './transport-internals.ts';
import { declaredAdmin } from './validate-capabilities.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const MAX_PAGE = 1000;
/** How many pages one page of a type is searched in. */
const MAX_PAGES = 100;
const DEFAULT_BROWSE = 100;
const IMPORT_BATCH = 500;

/** The admin facet without `exportState`, which returns an iterable instead of a promise. */
export function openOperations(internals: TransportInternals): Omit<Admin, 'exportState'> {
  return { ...openInspection(internals), ...openChanges(internals), ...openGate(internals) };
}

/** The export of the namespace's whole state. */
export function openExport(internals: TransportInternals): Pick<Admin, 'exportState'> {
  return { exportState: (options) => exportAll(internals, options) };
}

type Inspection = Pick<Admin, 'queues' | 'topics' | 'bindings' | 'browse'>;

function openInspection(internals: TransportInternals): Inspection {
  const { inflight, driver } = internals;
  const { admin } = driver;
  return {
    async queues(options) {
      checkOptions(options, ['names', 'prefix', 'limit', 'after', ...CALL_KEYS], 'queues options');
      const page = checkPage(options);
      if (options?.names !== undefined) checkNames(options.names);
      if (options?.prefix !== undefined && typeof options.prefix !== 'string') throw badText('prefix', options.prefix);
      const filter = { ...page, names: options?.names && [...options.names], prefix: options?.prefix ?? '' };
      return inflight.read(options, (context) => admin.queues(filter, context));
    },
    async topics(options) {
      checkOptions(options, ['limit', 'after', ...CALL_KEYS], 'topics options');
      const page = checkPage(options);
      return inflight.read(options, (context) => admin.topics(page, context));
    },
    async bindings(options) {
      checkOptions(options, CALL_KEYS, 'bindings options');
      return inflight.read(options, (context) => admin.bindings(context));
    },
    async browse(queue, options) {
      checkQueueName(queue);
      checkOptions(options, ['state', 'type', 'ids', 'limit', 'after', ...CALL_KEYS], 'browse options');
      checkOneOf(options?.state, 'state', ['ready', 'delayed', 'leased', 'dead']);
      checkText(options?.type, 'type', 255);
      const { limit, after } = checkPage(options);
      const ids = checkIds(options?.ids);
      const filter = {
        state: options?.state,
        ids,
        limit: options?.limit === undefined ? DEFAULT_BROWSE : limit,
        after,
      };
      const read = (page: BrowseFilter): Promise<BrowsePage> =>
        inflight.read(options, (context) => admin.browse(queue, page, context));
      return options?.type === undefined ? read(filter) : browseType(options.type, filter, read);
    },
  };
}

/** Reads pages until more than half of the limit is found: the rest would be read in ever smaller pages. */
async function browseType(
  type: string,
  filter: BrowseFilter,
  read: (page: BrowseFilter) => Promise<BrowsePage>,
): Promise<BrowsePage> {
  const found: BrowsedMessage[] = [];
  let { after } = filter;
  for (let pages = 1; ; pages += 1) {
    const { messages, next } = await read({ ...filter, limit: filter.limit - found.length, after });
    found.push(...messages.filter(({ message }) => message.type === type));
    if (next === undefined || found.length > filter.limit / 2 || pages === MAX_PAGES) return { messages: found, next };
    after = next;
  }
}

function openChanges(
  internals: TransportInternals,
): Omit<Admin, keyof Inspection | 'exportState' | 'gate' | 'setGate'> {
  const { inflight, driver } = internals;
  const { capabilities } = driver;
  const admin = declaredAdmin(driver);
  return {
    async redrive(queue, options) {
      checkQueueName(queue);
      checkOptions(options, ['ids', 'limit', ...CALL_KEYS], 'redrive options');
      const { limit } = checkPage(options);
      const ids = checkIds(options?.ids);
      return inflight.write(options, (context) => admin.redrive(queue, ids, limit, context));
    },
    async purge(queue, options) {
      checkQueueName(queue);
      checkOptions(options, ['state', 'ids', ...CALL_KEYS], 'purge options');
      checkOneOf(options?.state ?? null, 'state', ['ready', 'delayed', 'dead']);
      const ids = checkIds(options?.ids);
      return inflight.write(options, (context) => admin.purge(queue, options.state, ids, context));
    },
    async cancel(queue, ids, options) {
      const own = checkPending(queue, ids, options, 'cancel options');
      requireFeature(capabilities, 'cancel');
      return inflight.write(options, (context) => changeEach(own, (some) => admin.cancel(queue, some, context)));
    },
    async reschedule(queue, ids, delayMs, options) {
      const own = checkPending(queue, ids, options, 'reschedule options');
      checkDuration(delayMs ?? Number.NaN, 'delayMs', { min: 0, max: MAX_DURATION_MS });
      requireFeature(capabilities, 'cancel');
      return inflight.write(options, (context) =>
        changeEach(own, (some) => admin.reschedule(queue, some, delayMs, context)),
      );
    },
    async deleteQueue(queue, options) {
      checkQueueName(queue);
      checkOptions(options, CALL_KEYS, 'deleteQueue options');
      return inflight.write(options, (context) => admin.deleteQueue(queue, context));
    },
    async clear(options) {
      checkOptions(options, ['gateRevision', ...CALL_KEYS], 'clear options');
      checkGateRevisionOption(options?.gateRevision);
      return inflight.write(options, (context) => admin.clear(options?.gateRevision, context));
    },
    async importState(records, options) {
      checkOptions(options, ['gateRevision', ...CALL_KEYS], 'importState options');
      checkGateRevisionOption(options?.gateRevision);
      checkSignal(options?.signal);
      assertNotAborted(options?.signal);
      internals.lifecycle.assertOpen();
      requireFeature(capabilities, 'exportState');
      let added = 0;
      for await (const batch of readAhead(batches(records, capabilities))) {
        added += await inflight.write(options, (context) => admin.importState(batch, options?.gateRevision, context));
      }
      return added;
    },
  };
}

async function* exportAll(internals: TransportInternals, options: CallOptions | undefined): AsyncIterable<StateRecord> {
  const { driver, lifecycle, keepAlive } = internals;
  const controller = new AbortController();
  try {
    checkOptions(options, CALL_KEYS, 'exportState options');
    checkSignal(options?.signal);
    const assertGoing = (): void => {
      assertNotAborted(options?.signal);
      lifecycle.assertOpen();
    };
    assertGoing();
    requireFeature(driver.capabilities, 'exportState');
    const outer = options?.signal;
    const signal = outer === undefined ? controller.signal : AbortSignal.any([controller.signal, outer]);
    const records = declaredAdmin(driver).exportState({ signal, deadline: Number.POSITIVE_INFINITY });
    for await (const record of keptAlive(records, keepAlive)) {
      assertGoing();
      yield record;
    }
  } catch (error) {
    throw toBusbarError(error).at('admin.exportState', driver.name);
  } finally {
    controller.abort();
  }
}

/** Keeps the process alive while a record is awaited, and not while the caller handles it. */
async function* keptAlive<T>(records: AsyncIterable<T>, keepAlive: KeepAlive): AsyncGenerator<T> {
  const iterator = records[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = await keepAlive.during(iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

async function* batches(
  records: AsyncIterable<StateRecord> | Iterable<StateRecord>,
  capabilities: Capabilities,
): AsyncIterable<StateRecord[]> {
  checkIterable(records);
  let batch: StateRecord[] = [];
  for await (const record of records) {
    batch.push(readStateRecord(record, capabilities));
    if (batch.length < IMPORT_BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function checkIterable(records: unknown): void {
  const isIterable =
    typeof records === 'object' && records !== null && (Symbol.asyncIterator in records || Symbol.iterator in records);
  if (!isIterable) throw invalid(`records must be iterable, not ${describe(records)}`, 'Import what exportState gave.');
}

function checkPage(options: ListOptions | undefined): PageQuery {
  checkInteger(options?.limit, 'limit', { min: 1, max: MAX_PAGE });
  if (options?.after !== undefined && (typeof options.after !== 'string' || options.after.length > 1024)) {
    throw badText('after', options.after);
  }
  return { limit: options?.limit ?? MAX_PAGE, after: options?.after };
}

function checkPending(queue: string, ids: unknown, options: CallOptions | undefined, what: string): readonly string[] {
  checkQueueName(queue);
  checkOptions(options, CALL_KEYS, what);
  return checkIds(ids ?? null) ?? [];
}

/** Gives each id to the driver once. Resolves with one result per given id. */
async function changeEach(
  ids: readonly string[],
  change: (ids: readonly string[]) => Promise<PendingResult[]>,
): Promise<PendingResult[]> {
  const results = await change([...new Set(ids)]);
  const statusOf = new Map(results.map(({ id, status }) => [id, status]));
  return ids.map((id) => ({ id, status: statusOf.get(id) ?? 'not-found' }));
}

function checkIds(ids: unknown): readonly string[] | undefined {
  if (ids === undefined) return undefined;
  checkArray(ids, 'ids', MAX_PAGE);
  for (const id of ids) checkId(id ?? null, 'id');
  return [...(ids as readonly string[])];
}

function checkNames(names: unknown): void {
  checkArray(names, 'names', MAX_PAGE);
  for (const name of names) checkQueueName(name);
}

function badText(name: string, value: unknown): Error {
  return invalid(`illegal ${name} ${quote(value)}`, 'Use what an earlier call gave.');
}
