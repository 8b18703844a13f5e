/** The entries of a transport: arguments checked, watches led. */

import { MAX_BATCH } from '../contract/defaults.ts';
import type { Cursor } from '../contract/driver.ts';
import { BusbarError, invalid } from '../contract/errors.ts';
import { checkKeyPrefix, checkKvKey } from '../contract/names.ts';
import type { KeyValue, KvChange, KvTouch, KvWatch, PutOptions } from '../contract/transport.ts';
import {
  checkArray,
  checkDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  kindOf,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import { Pump } from './cursor-pump.ts';
import { lead } from './topics.ts';
import type { Shared } from './transport-internals.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const MAX_VALUE_BYTES = 65_536;
const MAX_PAGE = 1000;
const TTL_RANGE = { min: 1, max: MAX_DURATION_MS };

/** The entries of the transport. */
export function openEntries(shared: Shared): KeyValue {
  const { backend, underWay } = shared;
  return {
    async get(key, options) {
      shared.assertOpen('kv.get');
      checkKvKey(key);
      checkOptions(options, CALL_KEYS, 'get options');
      const plan = { operation: 'kv.get', whenAbandoned: 'failed' } as const;
      return underWay.run(plan, options, (context) => backend.kv.get(key, context));
    },
    async put(key, value, options) {
      shared.assertOpen('kv.put');
      checkKvKey(key);
      const own = ownValue(value);
      const condition = checkPut(options);
      const plan = { operation: 'kv.put', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.kv.put(key, own, condition, context));
    },
    async touch(touches, options) {
      shared.assertOpen('kv.touch', true);
      checkOptions(options, CALL_KEYS, 'touch options');
      const own = checkTouches(touches);
      const plan = { operation: 'kv.touch', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.kv.touch(own, context));
    },
    async delete(key, options) {
      shared.assertOpen('kv.delete', true);
      checkKvKey(key);
      checkOptions(options, ['ifRevision', ...CALL_KEYS], 'delete options');
      checkInteger(options?.ifRevision, 'ifRevision', { min: 1, max: Number.MAX_SAFE_INTEGER });
      const plan = { operation: 'kv.delete', whenAbandoned: 'unknown' } as const;
      return underWay.run(plan, options, (context) => backend.kv.delete(key, options?.ifRevision, context));
    },
    async list(prefix, options) {
      shared.assertOpen('kv.list');
      checkKeyPrefix(prefix);
      checkOptions(options, ['limit', 'after', ...CALL_KEYS], 'list options');
      checkInteger(options?.limit, 'limit', { min: 1, max: MAX_PAGE });
      if (options?.after !== undefined) checkKvKey(options.after);
      const page = { limit: options?.limit ?? MAX_PAGE, after: options?.after };
      const plan = { operation: 'kv.list', whenAbandoned: 'failed' } as const;
      return underWay.run(plan, options, (context) => backend.kv.list(prefix, page, context));
    },
    async watch(prefix, onChanges, options) {
      shared.assertOpen('kv.watch');
      checkKeyPrefix(prefix);
      checkFunction(onChanges, 'onChanges');
      checkOptions(options, CALL_KEYS, 'watch options');
      const plan = {
        operation: 'kv.watch',
        whenAbandoned: 'failed',
        onLate: (cursor: Cursor<KvChange>) => void cursor.close(),
      } as const;
      const cursor = await underWay.run(plan, options, (context) => backend.kv.watch(prefix, context));
      return lead(new OpenWatch(new Pump(cursor, MAX_PAGE, onChanges)), shared);
    },
  };
}

class OpenWatch implements KvWatch {
  readonly #pump: Pump<KvChange>;

  constructor(pump: Pump<KvChange>) {
    this.#pump = pump;
  }

  get ended(): KvWatch['ended'] {
    return this.#pump.ended;
  }

  close(): Promise<void> {
    return this.#pump.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function checkPut(options: PutOptions | undefined): { ttlMs: number | undefined; ifRevision: number | undefined } {
  checkOptions(options, ['ttlMs', 'ifRevision', ...CALL_KEYS], 'put options');
  checkDuration(options?.ttlMs, 'ttlMs', TTL_RANGE);
  checkInteger(options?.ifRevision, 'ifRevision', { min: 0, max: Number.MAX_SAFE_INTEGER });
  return { ttlMs: options?.ttlMs, ifRevision: options?.ifRevision };
}

function checkTouches(touches: unknown): KvTouch[] {
  checkArray(touches, 'touches', MAX_BATCH);
  return touches.map((touch) => {
    checkOptions(touch, ['key', 'ttlMs', 'createRevision'], 'touch');
    const { key, ttlMs, createRevision } = touch as KvTouch;
    checkKvKey(key);
    if (ttlMs === undefined) throw invalid('a touch needs ttlMs', 'Say how long the entry shall live from now.');
    checkDuration(ttlMs, 'ttlMs', TTL_RANGE);
    checkInteger(createRevision, 'createRevision', { min: 1, max: Number.MAX_SAFE_INTEGER });
    return createRevision === undefined ? { key, ttlMs } : { key, ttlMs, createRevision };
  });
}

function ownValue(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw invalid(`an entry's value must be a Uint8Array, not ${kindOf(value)}`, 'Encode it first.');
  }
  if (value.byteLength <= MAX_VALUE_BYTES) return new Uint8Array(value);
  throw new BusbarError(
    'PAYLOAD_TOO_LARGE',
    `the value has ${value.byteLength} bytes, the limit is ${MAX_VALUE_BYTES}`,
    {
      hint: 'Entries are for small values; put large data into a message or a file.',
    },
  );
}
