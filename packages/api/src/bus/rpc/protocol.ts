/** The protocol of calls over queues: headers of requests, replies and control messages. */

import type { MessageInput } from '../../contract/message.ts';
import type { QueueSettings } from '../../contract/queues.ts';
import { KIND_HEADER } from '../requests/replies.ts';

/** The sequence number of a reply in its request, from 0. */
export const SEQ_HEADER = 'bus-seq';
/** The requester's id of the request. The message has a random one, because calls are not deduplicated. */
export const ID_HEADER = 'bus-id';

/**
 * Control messages. `accepted`: the server handles the request; it names its inbox. `credit`: the requester has read this
 * many parts. `cancel`: the requester left.
 */
export type ControlKind = 'accepted' | 'credit' | 'cancel';

/** The most parts that a requester has not read. */
export const CREDIT = 64;
/** The record of a server. */
export interface ServerRecord {
  /** Its inbox. `accepted` names it, so a requester can tell when its server is gone. */
  readonly inbox: string;
  /** It takes no more requests and finishes running ones. */
  readonly closing?: boolean;
}

/** Prefix of the keys of all servers. */
export const SERVE_PREFIX = '$serve/';

/** The queue of requests to an agent. Its dead letters are useless. */
export const CALL_QUEUE: QueueSettings = Object.freeze({ maxAttempts: 1, expireIdleMs: 60_000, deadTtlMs: 1000 });
/** The queue of a bus for replies and control messages. */
export const REPLY_INBOX: QueueSettings = Object.freeze({ maxAttempts: 3, expireIdleMs: 60_000, deadTtlMs: 1000 });
/** A reply queue without messages for this long is configured again before its next use. */
export const FRESH_MS = 20_000;

const NOTHING = new Uint8Array(0);

/** A control message for a request. */
export function toControl(control: ControlKind, request: string, seq?: number): MessageInput {
  const place = seq === undefined ? {} : { [SEQ_HEADER]: String(seq) };
  return { body: NOTHING, correlationId: request, headers: { [KIND_HEADER]: control, ...place } };
}

/** The kind of a control message; undefined for a reply. */
export function controlOf({ headers }: Pick<MessageInput, 'headers'>): ControlKind | undefined {
  const kind = headers?.[KIND_HEADER];
  return kind === 'accepted' || kind === 'credit' || kind === 'cancel' ? kind : undefined;
}

/** The sequence number of a reply or control message. */
export function seqOf({ headers }: Pick<MessageInput, 'headers'>): number {
  return Number(headers?.[SEQ_HEADER] ?? 0);
}
