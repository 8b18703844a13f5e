/** A record of the log: operations of one turn of one author. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError, isBusbarError, type Settlement } from '@busbar/api/transport';
import { fromBase64, toBase64 } from './base64.ts';
import { fromJsonSettings, Reader, Writer } from './codec.ts';
import type { Imported, Operation } from './state/operation.ts';

/** The form of records and snapshots. One that is newer than this program knows is refused. */
export const FORM = 1;

/** A record of the log. */
export interface LogRecord {
  readonly author: string;
  /** Rises by author: a record that comes a second time is passed over. */
  readonly number: number;
  readonly operations: readonly Operation[];
}

interface Line {
  readonly v: number;
  readonly by: string;
  readonly n: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a record holds is read field by field.
  readonly ops: any[];
}

export function encodeRecord({ author, number, operations }: LogRecord): Buffer {
  const writer = new Writer();
  const ops = operations.map((operation) => encode(operation, writer));
  return writer.finish({ v: FORM, by: author, n: number, ops } satisfies Line);
}

/** What is in a record: nothing where it is none, since anybody who may publish here can. */
export function decodeRecord(data: Uint8Array): LogRecord {
  try {
    const reader = new Reader(data);
    const { v, by, n, ops } = reader.line as Line;
    if (v > FORM) throw tooNew(v);
    return { author: by, number: n, operations: ops.map((each) => decode(each, reader)) };
  } catch (error) {
    if (isBusbarError(error) && error.code === 'UNSUPPORTED') throw error;
    return { author: '', number: 0, operations: [] };
  }
}

/** Roughly what `operation` takes in a record. */
export function sizeOf(operation: Operation): number {
  switch (operation.op) {
    case 'send':
    case 'publish':
      return operation.messages.reduce((sum, message) => sum + messageSize(message), 300);
    case 'feed':
      return operation.events.reduce((sum, { message }) => sum + 300 + messageSize(message), 600);
    case 'put':
      return 2_048 + operation.value.byteLength;
    case 'settle':
      return operation.settlements.reduce((sum, each) => sum + settlementSize(each), 0);
    case 'import':
      return JSON.stringify(operation.records).length;
    case 'cancel':
    case 'reschedule':
    case 'purge':
    case 'redrive':
      return 1_024 + (operation.ids ?? []).reduce((sum, id) => sum + 8 + 2 * Buffer.byteLength(id), 0);
    case 'touch':
      return operation.touches.reduce((sum, { key }) => sum + 100 + 6 * key.length, 0);
    case 'use':
      return operation.queues.length * 260;
    default:
      return 2_048;
  }
}

export function tooNew(form: unknown): BusbarError {
  return new BusbarError('UNSUPPORTED', `the log is in the form ${form}, and this version knows ${FORM}`, {
    hint: 'Use the version of Busbar on all clients that the newest of them has.',
  });
}

/** Roughly what a message takes. */
export function messageSize({ body, headers, id }: PreparedMessage): number {
  let size = 700 + 2 * id.length + body.byteLength;
  for (const name in headers) size += 80 + 3 * (headers[name]?.length ?? 0);
  return size;
}

/** Roughly what a settlement takes. */
export function settlementSize(settlement: Settlement): number {
  return 400 + ('reason' in settlement ? 6 * (settlement.reason?.length ?? 0) : 0);
}

function encode(operation: Operation, writer: Writer): unknown {
  switch (operation.op) {
    case 'send':
    case 'publish':
      return { ...operation, messages: operation.messages.map((message) => writer.message(message)) };
    case 'feed': {
      const events = operation.events.map((event) => ({ ...event, message: writer.message(event.message) }));
      return { ...operation, events };
    }
    case 'put':
      return { ...operation, value: writer.bytes(operation.value) };
    case 'import':
      return { ...operation, records: operation.records.map((record) => encodeImported(record, writer)) };
    default:
      return operation;
  }
}

function decode(line: Line['ops'][number], reader: Reader): Operation {
  switch (line.op) {
    case 'send':
    case 'publish':
      return { ...line, messages: line.messages.map((head: never) => reader.message(head)) };
    case 'feed':
      return {
        ...line,
        events: line.events.map((event: { message: never }) => ({ ...event, message: reader.message(event.message) })),
      };
    case 'put':
      return { ...line, value: reader.bytes(line.value) };
    case 'configure':
      return { ...line, settings: fromJsonSettings(line.settings) };
    case 'import':
      return { ...line, records: line.records.map((record: Line['ops'][number]) => decodeImported(record, reader)) };
    default:
      return line;
  }
}

/** Bytes are not in base64 here: what may be sent may be imported. */
function encodeImported(record: Imported, writer: Writer): unknown {
  switch (record.kind) {
    case 'kv':
      return { ...record, valueBase64: writer.bytes(fromBase64(record.valueBase64)) };
    case 'message': {
      const { message } = record;
      return { ...record, message: { ...message, bodyBase64: writer.bytes(fromBase64(message.bodyBase64)) } };
    }
    default:
      return record;
  }
}

function decodeImported(record: Line['ops'][number], reader: Reader): unknown {
  switch (record.kind) {
    case 'kv':
      return { ...record, valueBase64: toBase64(reader.bytes(record.valueBase64)) };
    case 'message': {
      const { message } = record;
      return { ...record, message: { ...message, bodyBase64: toBase64(reader.bytes(message.bodyBase64)) } };
    }
    case 'queue':
      return { ...record, settings: fromJsonSettings(record.settings) };
    default:
      return record;
  }
}
