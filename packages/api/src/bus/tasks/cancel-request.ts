/** A request to cancel a running task, from its handle to its worker. */

import type { CallOptions } from '../../contract/call-options.ts';
import type { KeyValue } from '../../contract/kv.ts';
import { cutText } from '../../contract/thrown.ts';

/** A request to cancel one task. */
export interface CancelRequest {
  /** When the task was sent: a later task can have the same id. */
  readonly sentAt: number;
  readonly reason: string | undefined;
}

/** How long a request waits for a worker that has the task. */
const TTL_MS = 3_600_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The key of the requests for a task, or for those of a queue. No task has an id that begins with #. */
export function cancelKey(id: string): string {
  return `$task/#cancel/${id}`;
}

/** Asks the workers to end a task. Resolves with what withdraws the request. */
export async function requestCancel(
  { kv }: { readonly kv: KeyValue },
  id: string,
  request: CancelRequest,
  bounds: CallOptions,
): Promise<() => Promise<void>> {
  const key = cancelKey(id);
  await kv.put(key, encoder.encode(JSON.stringify(request)), { ttlMs: TTL_MS, ...bounds });
  return async () => void (await kv.delete(key).catch(() => undefined));
}

/** The request that another process wrote. A broken one is of no task. */
export function readCancelRequest(value: Uint8Array): CancelRequest {
  try {
    const { sentAt, reason } = JSON.parse(decoder.decode(value)) as Record<string, unknown>;
    return { sentAt: Number(sentAt), reason: typeof reason === 'string' ? cutText(reason) : undefined };
  } catch {
    return { sentAt: Number.NaN, reason: undefined };
  }
}
