/** The record of a flow in the key-value facet: its children, and the one that its parent waits for. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, invalid } from '../../contract/errors.ts';
import type { KvEntry } from '../../contract/kv.ts';
import type { MessageInput } from '../../contract/message.ts';
import type { Transport } from '../../contract/transport.ts';
import { fromBase64, toBase64 } from '../../driver-kit/exported-message.ts';
import { readParts, storeParts } from '../tasks/result-parts.ts';
import { MAX_KEPT_BYTES, type StoredParts } from '../tasks/task-record.ts';
import { childId, type FlowRef, flowKey } from './flow-id.ts';

/**
 * What happens to a parent when a child became a dead letter, was cancelled, or has vanished:
 * - `fail`: the parent becomes a dead letter, and children that were not started are cancelled.
 * - `ignore`: the parent starts when all children have ended, however they ended.
 * - `wait`: the parent waits until dead letters are redriven and done. Other failures make it a dead letter.
 */
export type ChildFailureRule = 'fail' | 'ignore' | 'wait';

/** A child before it is sent. */
export interface PlannedChild {
  readonly queue: string;
  readonly input: MessageInput;
}

/** A child without a trace. Its result can still be on its way. */
export interface MissingChild {
  readonly index: number;
  /** When it was not found, in milliseconds since 1970. */
  readonly at: number;
  /** After this time it counts as gone; undefined if an older version wrote the record. */
  readonly goneMs?: number;
}

/** A flow, from the send of its parent until the end of its parent. */
export interface FlowRecord {
  readonly onChildFailure: ChildFailureRule;
  readonly checkMs: number;
  /** The queues of the children, without repetitions. */
  readonly queues: readonly string[];
  /** Of each child: the place of its queue in `queues`. */
  readonly of: readonly number[];
  /** Those of the children that have children. */
  readonly parents: readonly number[];
  /** The child that the parent waits for: those after it have ended. -1: all have ended. */
  readonly awaited: number;
  /** The child that has told of its failure. */
  readonly failed?: number | undefined;
  /** The child that was not found. */
  readonly missing?: MissingChild | undefined;
  /** The messages of the children, until all of them were sent. */
  readonly unsent?: string | StoredParts | undefined;
}

/** A new record, before it has the messages. */
export type FlowSettings = Pick<FlowRecord, 'onChildFailure' | 'checkMs' | 'parents'>;

/** How long records of flows and of their children are kept: 30 days, as dead letters are. */
export const FLOW_TTL_MS = 2_592_000_000;
const MAX_INLINE_BYTES = 40_000;
const MAX_PLAN_BYTES = 16_777_216;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The id of a child. */
export function childOf(flow: FlowRef, { queues, of }: FlowRecord, index: number): string {
  return childId(queues[of[index] ?? 0] ?? '', flow, index);
}

/** The record of a flow; undefined if there is none. */
export async function readFlow(
  { kv }: Pick<Transport, 'kv'>,
  flow: FlowRef,
  bounds?: CallOptions,
): Promise<FlowRecord | undefined> {
  return decode(await kv.get(flowKey(flow), bounds));
}

/** Reads and changes the records of flows. */
export class FlowStore {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Stores a new flow with the messages of its children. Rejects with PAYLOAD_TOO_LARGE. */
  async create(
    flow: FlowRef,
    settings: FlowSettings,
    children: readonly PlannedChild[],
    bounds: CallOptions,
  ): Promise<void> {
    const { kv } = this.#transport;
    const queues = [...new Set(children.map(({ queue }) => queue))];
    const of = children.map(({ queue }) => queues.indexOf(queue));
    const plan = JSON.stringify(children.map(({ input }) => ({ ...input, body: toBase64(input.body) })));
    const body = encoder.encode(plan);
    if (body.byteLength > MAX_PLAN_BYTES) {
      const text = `the children of the flow have ${body.byteLength} bytes, the limit is ${MAX_PLAN_BYTES}`;
      throw new BusbarError('PAYLOAD_TOO_LARGE', text, { hint: 'Send references instead of large bodies.' });
    }
    const record: FlowRecord = { ...settings, queues, of, awaited: children.length - 1 };
    if (encode(record).byteLength > MAX_KEPT_BYTES - MAX_INLINE_BYTES / 4) {
      throw invalid('the children of the flow are in too many queues', 'Use fewer queues, or shorter names.');
    }
    const isSmall = encode({ ...record, unsent: plan }).byteLength <= MAX_INLINE_BYTES;
    const contentType = 'application/json';
    const parts = isSmall ? plan : ((await storeParts(kv, { body, contentType }, FLOW_TTL_MS, bounds)) as StoredParts);
    await kv.put(flowKey(flow), encode({ ...record, unsent: parts }), { ...bounds, ttlMs: FLOW_TTL_MS });
  }

  read(flow: FlowRef): Promise<FlowRecord | undefined> {
    return readFlow(this.#transport, flow);
  }

  /** The messages of the children that may not have been sent. */
  async unsent({ queues, of, unsent }: FlowRecord): Promise<PlannedChild[]> {
    if (unsent === undefined) return [];
    const { kv } = this.#transport;
    const text = typeof unsent === 'string' ? unsent : decoder.decode((await readParts(kv, unsent)).body);
    const inputs = JSON.parse(text) as (MessageInput & { readonly body: never })[];
    return inputs.map((input, index) => {
      return { queue: queues[of[index] ?? 0] ?? '', input: { ...input, body: fromBase64(input.body) } };
    });
  }

  /** All children were sent: their messages are not needed any more. */
  async sent(flow: FlowRef, bounds?: CallOptions): Promise<FlowRecord | undefined> {
    let parts: FlowRecord['unsent'];
    const forget = (old: FlowRecord): FlowRecord => {
      parts = old.unsent;
      return { ...old, unsent: undefined };
    };
    const record = await this.change(flow, forget, bounds);
    if (typeof parts === 'object') await this.#deleteParts(parts);
    return record;
  }

  /** Changes a record. After a concurrent write `change` is called again. Resolves with undefined if there is none. */
  async change(
    flow: FlowRef,
    change: (record: FlowRecord) => FlowRecord,
    bounds?: CallOptions,
  ): Promise<FlowRecord | undefined> {
    const { kv } = this.#transport;
    const key = flowKey(flow);
    for (let entry = await kv.get(key, bounds); ; ) {
      const old = decode(entry);
      if (old === undefined) return undefined;
      const record = change(old);
      const put = await kv.put(key, encode(record), {
        ...bounds,
        ttlMs: FLOW_TTL_MS,
        ifRevision: entry?.revision ?? 0,
      });
      if (put.status === 'stored') return record;
      entry = put.current;
    }
  }

  /** Deletes a flow whose parent was not stored, or has ended. */
  async delete(flow: FlowRef, bounds?: CallOptions): Promise<void> {
    const { kv } = this.#transport;
    const record = decode(await kv.get(flowKey(flow), bounds));
    await kv.delete(flowKey(flow), bounds);
    if (typeof record?.unsent === 'object') await this.#deleteParts(record.unsent);
  }

  async #deleteParts({ prefix, parts }: StoredParts): Promise<void> {
    const { kv } = this.#transport;
    await Promise.all(Array.from({ length: parts }, (_, index) => kv.delete(`${prefix}${index}`)));
  }
}

function encode(record: FlowRecord): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

/** Throws INTERNAL for other values. */
function decode(entry: KvEntry | undefined): FlowRecord | undefined {
  if (entry === undefined) return undefined;
  try {
    return JSON.parse(decoder.decode(entry.value)) as FlowRecord;
  } catch (error) {
    throw new BusbarError('INTERNAL', 'the record of a flow cannot be decoded', { cause: error });
  }
}
