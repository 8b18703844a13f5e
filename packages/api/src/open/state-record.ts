/** Checks the records of an import, which may come from a file. */

import type { ExportedMessage, StateRecord } from '../contract/admin.ts';
import type { Capabilities } from '../contract/capabilities.ts';
import { bodyTooLarge, invalid } from '../contract/errors.ts';
import { checkKvKey, checkPattern, checkQueueName, checkTopic } from '../contract/names.ts';
import type { QueueSettings } from '../contract/queues.ts';
import {
  checkArray,
  checkDuration,
  checkInteger,
  checkOneOf,
  checkOptions,
  describe,
  MAX_DURATION_MS,
} from '../contract/validation.ts';
import { checkId, checkMessage } from './prepare-message.ts';
import { checkSettings } from './queues.ts';

const KEYS: Readonly<Record<StateRecord['kind'], readonly string[]>> = {
  queue: ['name', 'settings', 'totals'],
  message: ['queue', 'message'],
  dedupe: ['queue', 'id', 'leftMs'],
  binding: ['queue', 'pattern'],
  event: ['topic', 'message'],
  kv: ['key', 'valueBase64', 'revision', 'createRevision', 'ttlLeftMs'],
  revision: ['highest'],
};
const MESSAGE_KEYS = [
  ...['message', 'bodyBase64', 'state', 'attempts', 'history', 'dead', 'delayLeftMs', 'ttlLeftMs', 'ttlMs'],
  'maxAttempts',
];
const TOTALS = ['sent', 'done', 'dead', 'expired'] as const;
const MAX_HISTORY = 20;
const MAX_VALUE_BYTES = 65_536;
const MAX_COUNT = 2_147_483_647;
const ANY_DURATION = { min: 0, max: MAX_DURATION_MS, infinity: true };
const REVISION = { min: 1, max: Number.MAX_SAFE_INTEGER };
const EMPTY = new Uint8Array(0);

/**
 * `record`, with the values that JSON has changed. Throws INVALID_ARGUMENT or PAYLOAD_TOO_LARGE unless `exportState` could
 * have given it.
 */
export function readStateRecord(record: StateRecord, { maxBodyBytes }: Capabilities): StateRecord {
  const kind = record?.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(KEYS, kind)) {
    throw invalid(`illegal record ${describe(kind ?? record)}`, `The kinds are ${Object.keys(KEYS).join(', ')}.`);
  }
  checkOptions(record, ['kind', ...KEYS[kind]], `a record of kind ${kind}`);
  switch (record.kind) {
    case 'queue':
      return readQueue(record);
    case 'message':
      checkQueueName(record.queue);
      checkExported(record.message, maxBodyBytes);
      break;
    case 'event':
      checkTopic(record.topic);
      checkExported(record.message, maxBodyBytes);
      break;
    case 'dedupe':
      checkQueueName(record.queue);
      checkId(record.id ?? null, 'id');
      checkDuration(record.leftMs ?? null, 'leftMs', ANY_DURATION);
      break;
    case 'binding':
      checkQueueName(record.queue);
      checkPattern(record.pattern);
      break;
    case 'kv':
      checkKvRecord(record);
      break;
    case 'revision':
      checkInteger(record.highest ?? null, 'highest', { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  return record;
}

/** JSON writes Infinity as null: restores the durations that may be infinite. */
function readQueue(record: Extract<StateRecord, { kind: 'queue' }>): StateRecord {
  checkQueueName(record.name);
  const given: Partial<QueueSettings> = record.settings ?? {};
  const forever = Number.POSITIVE_INFINITY;
  const settings = { ...given, expireIdleMs: given.expireIdleMs ?? forever, deadTtlMs: given.deadTtlMs ?? forever };
  checkSettings(settings);
  checkOptions(record.totals ?? null, TOTALS, 'the totals of a queue');
  for (const name of TOTALS) {
    checkInteger(record.totals[name] ?? null, `totals.${name}`, { min: 0, max: Number.MAX_SAFE_INTEGER });
  }
  return { ...record, settings: settings as Required<QueueSettings> };
}

function checkKvRecord(record: Extract<StateRecord, { kind: 'kv' }>): void {
  checkKvKey(record.key);
  checkBase64(record.valueBase64, 'valueBase64', MAX_VALUE_BYTES);
  checkInteger(record.revision ?? null, 'revision', REVISION);
  checkInteger(record.createRevision ?? null, 'createRevision', REVISION);
  checkDuration(record.ttlLeftMs ?? undefined, 'ttlLeftMs', ANY_DURATION);
}

function checkExported(exported: ExportedMessage, maxBodyBytes: number): void {
  if (typeof exported !== 'object' || exported === null) {
    throw invalid(`a message must be an object, not ${describe(exported)}`, 'Import what exportState gave.');
  }
  checkOptions(exported, MESSAGE_KEYS, 'an exported message');
  const { topic, ...message } = exported.message ?? {};
  if (topic !== undefined) checkTopic(topic);
  checkId(message.id ?? null, 'message id');
  checkMessage({ ...message, body: EMPTY }, maxBodyBytes);
  checkBase64(exported.bodyBase64, 'bodyBase64', maxBodyBytes);
  checkOneOf(exported.state ?? null, 'state', ['ready', 'delayed', 'dead']);
  checkInteger(exported.attempts ?? null, 'attempts', { min: 0, max: MAX_COUNT });
  checkInteger(exported.maxAttempts ?? undefined, 'maxAttempts', { min: 1, max: 1000 });
  for (const name of ['delayLeftMs', 'ttlLeftMs', 'ttlMs'] as const) {
    checkDuration(exported[name] ?? undefined, name, ANY_DURATION);
  }
  checkHistory(exported.history ?? []);
  checkDeath(exported);
}

function checkHistory(history: unknown): void {
  checkArray(history, 'history', MAX_HISTORY);
  for (const attempt of history as ExportedMessage['history']) {
    checkOptions(attempt ?? null, ['attempt', 'endedAt', 'outcome', 'reason', 'consumer'], 'an ended attempt');
    checkInteger(attempt.attempt ?? null, 'attempt', { min: 0, max: MAX_COUNT });
    checkDuration(attempt.endedAt ?? null, 'endedAt', { min: 0, max: Number.MAX_SAFE_INTEGER });
    checkOneOf(attempt.outcome ?? null, 'outcome', ['retry', 'reject', 'expired']);
  }
}

function checkDeath({ state, dead }: ExportedMessage): void {
  if (state !== 'dead') return;
  checkOptions(dead ?? null, ['reason', 'at'], 'the death of a message');
  if (typeof dead?.reason !== 'string') throw invalid('a dead letter has no reason', 'Import what exportState gave.');
  checkDuration(dead.at ?? null, 'dead.at', { min: 0, max: Number.MAX_SAFE_INTEGER });
}

/** Throws unless `text` is base64 of at most `maxBytes` bytes. */
function checkBase64(text: unknown, name: string, maxBytes: number): void {
  if (typeof text !== 'string' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw invalid(`${name} is not base64`, 'Import what exportState gave.');
  }
  const bytes = (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  if (bytes > maxBytes) throw bodyTooLarge(bytes, maxBytes);
}
