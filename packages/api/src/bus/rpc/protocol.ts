/** How emulated calls travel over queues: the headers of requests, replies and notes between the two sides. */

import type { MessageInput } from '../../contract/message.ts';
import type { QueueSettings } from '../../contract/transport.ts';
import { KIND_HEADER } from '../requests/replies.ts';

/** The place of a reply among those of its request, from 0. */
export const SEQ_HEADER = 'bus-seq';
/** The id that the requester gave its request: on the way it has a new one, since a call is never deduplicated. */
export const ID_HEADER = 'bus-id';

/**
 * Notes beside replies. `begun`: the responder is at work, and here is its mailbox. `credit`: the requester has read that many
 * parts. `gone`: the requester has left.
 */
export type ControlKind = 'accepted' | 'credit' | 'cancel';

/** How many parts may be on their way to a slow reader. */
export const CREDIT = 64;
/** What an instance that serves says of itself. */
export interface ServerRecord {
  /** Its mailbox: `begun` names it, so that an requester knows whose end to watch for. */
  readonly inbox: string;
  /** It takes no more, and ends what it has. */
  readonly closing?: boolean;
}

/** Prefix of the keys of all that serve. */
export const SERVE_PREFIX = '$serve/';

/** Where requests of an agent wait for one of its instances. Dead ones are of no use to anybody. */
export const CALL_QUEUE: QueueSettings = Object.freeze({ maxAttempts: 1, expireIdleMs: 60_000, deadTtlMs: 1000 });
/** The mailbox of a bus for replies and notes. */
export const REPLY_INBOX: QueueSettings = Object.freeze({ maxAttempts: 3, expireIdleMs: 60_000, deadTtlMs: 1000 });
/** A mailbox that nothing went through for this long is asked for again before it is used. */
export const FRESH_MS = 20_000;

const NOTHING = new Uint8Array(0);

/** A control about the request with this id. */
export function toControl(control: ControlKind, request: string, seq?: number): MessageInput {
  const place = seq === undefined ? {} : { [SEQ_HEADER]: String(seq) };
  return { body: NOTHING, correlationId: request, headers: { [KIND_HEADER]: control, ...place } };
}

/** The control that a message is; undefined for a reply. */
export function controlOf({ headers }: Pick<MessageInput, 'headers'>): ControlKind | undefined {
  const kind = headers?.[KIND_HEADER];
  return kind === 'accepted' || kind === 'credit' || kind === 'cancel' ? kind : undefined;
}

/** The place that a reply or a control has. */
export function seqOf({ headers }: Pick<MessageInput, 'headers'>): number {
  return Number(headers?.[SEQ_HEADER] ?? 0);
}
