/** How a message looks in a stream: the body as it is, the rest as one header of JSON, readable with any NATS client. */

import { decodeFields, encodeFields } from '@busbar/api/driver';
import type { AttemptRecord, Message } from '@busbar/api/transport';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { type HeaderList, headerReader } from '../connection/message-headers.ts';

/** The attempts of a message in earlier places: in another lane, or in another store. */
export interface Past {
  readonly attempts: number;
  readonly history: readonly AttemptRecord[];
}

/** Why and when a message died. */
export interface Death {
  readonly reason: string;
  readonly at: number;
}

/** The header beside the message's own fields. Times are of the server's clock, in milliseconds since 1970. */
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
  /** The start of the server that `after` belongs to. */
  readonly run?: string | undefined;
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
/** The server takes headers of 64 KiB. A longer one is stored before the body, and the header is its length. */
const MAX_HEAD = 15_000;
export const MESSAGE_ID = 'Nats-Msg-Id';

/** The data and headers to publish for a message. `msgId` is its `Nats-Msg-Id`. */
export function encode(
  message: Message,
  envelope: Envelope,
  msgId?: string,
): { data: Uint8Array; headers: HeaderList } {
  const head = encodeFields(message);
  head['topic'] = message.topic;
  head['sentAt'] = message.sentAt;
  head['$'] = envelope;
  const text = JSON.stringify(head);
  const known = msgId === undefined ? {} : { [MESSAGE_ID]: msgId };
  if (text.length <= MAX_HEAD) return { data: message.body, headers: { ...known, [HEADER]: text } };
  const bytes = Buffer.from(text);
  return { data: Buffer.concat([bytes, message.body]), headers: { ...known, [HEADER]: bytes.length } };
}

/** Reads a message of a delivery or of a direct get. */
export function readStored(msg: Msg, seq: number, storedAt: number): StoredMessage {
  return readWith(headerReader(msg), msg, { seq, storedAt });
}

function readWith(
  header: ReturnType<typeof headerReader>,
  msg: Msg,
  { seq, storedAt }: Pick<StoredMessage, 'seq' | 'storedAt'>,
): StoredMessage {
  const { data } = msg;
  const text = header(HEADER);
  if (!text) return { seq, storedAt, message: toForeign(msg, new Uint8Array(data), seq, storedAt), envelope: {} };
  const length = text.startsWith('{') ? 0 : Number(text);
  const json = length === 0 ? text : Buffer.from(data.subarray(0, length)).toString();
  const body = new Uint8Array(length === 0 ? data : data.subarray(length));
  const head = JSON.parse(json) as Partial<Message> & { $?: Envelope };
  return { seq, storedAt, message: decodeFields(head, body, storedAt), envelope: head.$ ?? {} };
}

/** Reads a message of a delivery. */
export function readPulled(msg: Msg): StoredMessage & Delivery {
  const delivery = readDelivery(msg);
  return { ...delivery, ...readStored(msg, delivery.seq, delivery.storedAt) };
}

/** Reads a message of a direct get. */
export function readDirect(msg: Msg): StoredMessage & { readonly subject: string } {
  const header = headerReader(msg);
  const seq = Number(header('Nats-Sequence') ?? 0);
  const storedAt = Date.parse(header('Nats-Time-Stamp') ?? '');
  return { ...readWith(header, msg, { seq, storedAt }), subject: header('Nats-Subject') ?? '' };
}

/** What the reply subject of a delivery says. */
interface Delivery {
  readonly deliveries: number;
  readonly seq: number;
  /** Its place among the deliveries of the consumer. */
  readonly cseq: number;
  readonly storedAt: number;
}

/**
 * Reads the reply subject of a delivery: `$JS.ACK.stream.consumer.deliveries.sequence.consumed.time.pending`. A server may
 * write domain and account before the stream, and a random token at the end.
 */
export function readDelivery(msg: Msg): Delivery {
  const tokens = (msg.reply ?? '').split('.');
  const at = tokens.length > 9 ? 6 : 4;
  return {
    deliveries: Number(tokens[at]),
    seq: Number(tokens[at + 1]),
    storedAt: Number((tokens[at + 3] ?? '').slice(0, -6)),
    cseq: Number(tokens[at + 2]),
  };
}

/** A message of a plain NATS client. */
function toForeign(msg: Msg, body: Uint8Array, seq: number, storedAt: number): Message {
  const contentType = msg.headers?.get('Content-Type');
  const head = { id: msg.headers?.get(MESSAGE_ID) || `seq-${seq}`, headers: foreignHeaders(msg.headers) };
  return decodeFields({ ...head, ...(contentType && { contentType }) }, body, storedAt);
}

function foreignHeaders(headers: MsgHdrs | undefined): Message['headers'] {
  const own: Record<string, string> = {};
  for (const [name, [value]] of headers ?? []) {
    const lower = name.toLowerCase();
    if (/^[a-z0-9-]{1,64}$/.test(lower) && !lower.startsWith('nats-') && value !== undefined) own[lower] = value;
  }
  return own;
}
