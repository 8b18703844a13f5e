/** The kv facet of a transport: checks arguments and runs watches. */

import { MAX_BATCH } from '../contract/defaults.ts';
import { invalid } from '../contract/errors.ts';
import type { KeyValue, KvChange, KvTouch, PutOptions } from '../contract/kv.ts';
import { checkKvValue, MAX_VALUE_BYTES, TTL_RANGE } from '../contract/kv-put.ts';
import { checkKeyPrefix, checkKvKey } from '../contract/names.ts';
import {
  checkArray,
  checkBoolean,
  checkCallback,
  checkDuration,
  checkInteger,
  checkOptions,
} from '../contract/validation.ts';
import { CursorPump } from './cursor-pump.ts';
import { type TransportInternals, trackClosable } from './transport-internals.ts';

const CALL_KEYS = ['timeoutMs', 'signal'];
const MAX_PAGE = 1000;

/** The kv facet of the transport. */
export function openKv(internals: TransportInternals): KeyValue {
  const { driver, inflight } = internals;
  return {
    async get(key, options) {
      checkKvKey(key);
      checkOptions(options, CALL_KEYS, 'get options');
      return inflight.read(options, (context) => driver.kv.get(key, context));
    },
    async put(key, value, options) {
      checkKvKey(key);
      checkKvValue(value);
      const own = new Uint8Array(value);
      const condition = checkPut(options);
      return inflight.write(options, (context) => driver.kv.put(key, own, condition, context));
    },
    async touch(touches, options) {
      checkOptions(options, CALL_KEYS, 'touch options');
      const own = checkTouches(touches);
      return inflight.finish(options, (context) => driver.kv.touch(own, context));
    },
    async delete(key, options) {
      checkKvKey(key);
      checkOptions(options, ['ifRevision', ...CALL_KEYS], 'delete options');
      checkInteger(options?.ifRevision, 'ifRevision', { min: 1, max: Number.MAX_SAFE_INTEGER });
      return inflight.finish(options, (context) => driver.kv.delete(key, options?.ifRevision, context));
    },
    async list(prefix, options) {
      checkKeyPrefix(prefix);
      checkOptions(options, ['limit', 'after', ...CALL_KEYS], 'list options');
      checkInteger(options?.limit, 'limit', { min: 1, max: MAX_PAGE });
      if (options?.after !== undefined) checkKvKey(options.after);
      const page = { limit: options?.limit ?? MAX_PAGE, after: options?.after };
      return inflight.read(options, (context) => driver.kv.list(prefix, page, context));
    },
    async watch(prefix, onChanges, options) {
      checkKeyPrefix(prefix);
      checkCallback(onChanges, 'onChanges');
      checkOptions(options, ['maxBytes', 'keepsAlive', ...CALL_KEYS], 'watch options');
      checkBoolean(options?.keepsAlive, 'keepsAlive');
      checkInteger(options?.maxBytes, 'maxBytes', { min: 1, max: Number.MAX_SAFE_INTEGER });
      const cursor = await inflight.open(options, (context) => driver.kv.watch(prefix, context));
      return trackClosable(
        new CursorPump(
          cursor,
          { max: MAX_PAGE, maxBytes: options?.maxBytes, maxItemBytes: MAX_VALUE_BYTES, sizeOf },
          onChanges,
        ),
        internals,
        options?.keepsAlive,
      );
    },
  };
}

function sizeOf(change: KvChange): number {
  return change.kind === 'put' ? change.entry.value.byteLength : 0;
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
    if (ttlMs === undefined) throw invalid('a touch needs ttlMs', 'Give the time to live from now.');
    checkDuration(ttlMs, 'ttlMs', TTL_RANGE);
    checkInteger(createRevision, 'createRevision', { min: 1, max: Number.MAX_SAFE_INTEGER });
    return createRevision === undefined ? { key, ttlMs } : { key, ttlMs, createRevision };
  });
}
