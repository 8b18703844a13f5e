/** How a message looks in a stream: the body as it is, the rest as one header of JSON, readable with any NATS client. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { AttemptRecord, Message } from '@busbar/api/transport';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { HeaderList } from '../connection/server-requests.ts';

/** What a message went through before it came to where it is: in another place of its queue, or in another store. */
export interface Past {
  readonly attempts: number;
  readonly history: readonly AttemptRecord[];
}

/** Why and when a message died. */
export interface Death {
  readonly reason: string;
  readonly at: number;
}

/** What the header says beside the fields of the message. Times are of the server, in milliseconds since 1970. */
export interface Envelope {
  /** Incarnation of the queue. */
  readonly inc?: string | undefined;
  readonly dueAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly maxAttempts?: number | undefined;
  readonly past?: Past | undefined;
  readonly dead?: Death | undefined;
  /** The last event that its publisher knew of: for an ephemeral event. */
  readonly after?: number | undefined;
  /** When its delay ended, where it was delayed. */
  readonly readyAt?: number | undefined;
}

/** A message of a stream, read. */
export interface StoredMessage {
  readonly seq: number;
  /** When the server stored it. */
  readonly storedAt: number;
  readonly message: Message;
  readonly envelope: Envelope;
}

const HEADER = 'Busbar';
/** The server takes headers of 64 KiB: a longer one stands in front of the body, and the header says how long it is. */
const MAX_HEAD = 15_000;
const ID = 'Nats-Msg-Id';
const DEFAULT_TYPE = 'application/octet-stream';
const NO_HEADERS: Message['headers'] = Object.freeze({});

/** What to publish for a message; the server knows it by `msgId`. */
export function encode(
  message: Message,
  envelope: Envelope,
  msgId?: string,
): { data: Uint8Array; headers: HeaderList } {
  const {
    body: _,
    id,
    sentAt,
    contentType,
    headers,
    priority,
    hops,
    ...rest
  } = message as Message & Partial<PreparedMessage>;
  const { delayMs: __, ttlMs: ___, maxAttempts: ____, ...fields } = rest;
  const head = {
    ...{ id, sentAt },
    ...fields,
    ...(contentType === DEFAULT_TYPE ? {} : { contentType }),
    ...(priority === 4 ? {} : { priority }),
    ...(hops === 0 ? {} : { hops }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    $: envelope,
  };
  const text = JSON.stringify(head);
  const known = msgId === undefined ? {} : { [ID]: msgId };
  if (text.length <= MAX_HEAD) return { data: message.body, headers: { ...known, [HEADER]: text } };
  const bytes = Buffer.from(text);
  return { data: Buffer.concat([bytes, message.body]), headers: { ...known, [HEADER]: bytes.length } };
}

/** A message as JetStream delivered it, or as a direct get gave it. */
export function readStored(msg: Msg, seq: number, storedAt: number): StoredMessage {
  const header = msg.headers?.get(HEADER);
  if (!header) {
    return { seq, storedAt, message: toForeign(msg, new Uint8Array(msg.data), seq, storedAt), envelope: {} };
  }
  const length = header.startsWith('{') ? 0 : Number(header);
  const text = length === 0 ? header : Buffer.from(msg.data.subarray(0, length)).toString();
  const body = new Uint8Array(msg.data.subarray(length));
  const { $: envelope = {}, ...head } = JSON.parse(text) as Partial<Message> & { $?: Envelope };
  const message: Message = {
    id: head.id ?? '',
    body,
    contentType: head.contentType ?? DEFAULT_TYPE,
    headers: head.headers === undefined ? NO_HEADERS : Object.freeze(head.headers),
    type: head.type,
    from: head.from,
    to: head.to,
    topic: head.topic,
    priority: head.priority ?? 4,
    orderingKey: head.orderingKey,
    correlationId: head.correlationId,
    causationId: head.causationId,
    hops: head.hops ?? 0,
    replyTo: head.replyTo,
    sentAt: head.sentAt ?? storedAt,
  };
  return { seq, storedAt, message, envelope };
}

/** A message that a direct get gave. */
export function readDirect(msg: Msg): StoredMessage & { readonly subject: string } {
  const seq = Number(msg.headers?.get('Nats-Sequence'));
  const storedAt = Date.parse(msg.headers?.get('Nats-Time-Stamp') ?? '');
  return { ...readStored(msg, seq, storedAt), subject: msg.headers?.get('Nats-Subject') ?? '' };
}

/** What the reply subject of a delivery says: `$JS.ACK.stream.consumer.deliveries.sequence.consumed.time.pending`. */
export function readDelivery(msg: Msg): { seq: number; cseq: number; deliveries: number; storedAt: number } {
  const tokens = (msg.reply ?? '').split('.');
  const at = tokens.length > 9 ? 6 : 4;
  return {
    deliveries: Number(tokens[at]),
    seq: Number(tokens[at + 1]),
    storedAt: Number((tokens[at + 3] ?? '').slice(0, -6)),
    cseq: Number(tokens[at + 2]),
  };
}

/** What a plain NATS client published. */
function toForeign(msg: Msg, body: Uint8Array, seq: number, storedAt: number): Message {
  return {
    id: msg.headers?.get(ID) || `seq-${seq}`,
    body,
    contentType: msg.headers?.get('Content-Type') || DEFAULT_TYPE,
    headers: foreignHeaders(msg.headers),
    type: undefined,
    from: undefined,
    to: undefined,
    topic: undefined,
    priority: 4,
    orderingKey: undefined,
    correlationId: undefined,
    causationId: undefined,
    hops: 0,
    replyTo: undefined,
    sentAt: storedAt,
  };
}

function foreignHeaders(headers: MsgHdrs | undefined): Message['headers'] {
  const own: Record<string, string> = {};
  for (const [name, [value]] of headers ?? []) {
    const lower = name.toLowerCase();
    if (/^[a-z0-9-]{1,64}$/.test(lower) && !lower.startsWith('nats-') && value !== undefined) own[lower] = value;
  }
  return Object.freeze(own);
}
