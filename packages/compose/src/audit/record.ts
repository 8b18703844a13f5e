/** The records of the log, and where they are in it. */

/** The topic of the log. Each event is a batch of records of one process. */
export const TOPIC = '$audit';
/** The key that each open process renews: below it is the name of the process. */
export const ALIVE = '$audit/alive/';
/** The lock of the process that looks into the store. */
export const OBSERVER = '$audit/observer';
/** From when on messages are not known to be over: a new observer begins there. */
export const UNSETTLED = '$audit/unsettled';

/** What a process did with a message. */
export type MessageAction =
  /** A send. `unknown`: it may have had its effect. */
  | 'sent'
  | 'duplicate'
  | 'failed'
  | 'unknown'
  | 'published'
  | 'delivered'
  /** Settlements. `lease-lost`: the settlement came too late and changed nothing. */
  | 'acked'
  | 'retried'
  | 'rejected'
  | 'released'
  | 'lease-lost'
  /** A live subscriber got an event. */
  | 'received'
  /** Requests on the fast path. */
  | 'called'
  | 'served'
  | 'replied'
  | 'call-failed'
  /** Operations on single messages. */
  | 'cancelled'
  | 'rescheduled'
  /** What the elected process found in the store. `gone`: no process recorded why. */
  | 'dead'
  | 'expired'
  | 'lease-ended'
  | 'gone';

/** An operation on a queue or on the whole store. */
export type OperationAction = 'purged' | 'redriven' | 'deleted' | 'cleared' | 'imported' | 'reset';

/** What a process records of itself. `gap`: records were dropped. `observing`: it looks into the store from now on. */
export type ProcessAction = 'begin' | 'end' | 'gap' | 'observing';

/** One record. Which fields it has depends on its action. */
export interface AuditRecord extends RecordFields {
  /** Its number within its process, from 0. Every record gets one, also one that is dropped. */
  readonly n: number;
  /** When it happened, in milliseconds since 1970 by the clock of the process. */
  readonly at: number;
}

/** What a record says. */
export interface RecordFields {
  readonly action: MessageAction | OperationAction | ProcessAction;
  readonly id?: string | undefined;
  readonly queue?: string | undefined;
  readonly topic?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly type?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly orderingKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly delayMs?: number | undefined;
  readonly ttlMs?: number | undefined;
  /** The size of the whole body. */
  readonly bytes?: number | undefined;
  /** The start of a body that is text. */
  readonly body?: string | undefined;
  /** The start of any other body. */
  readonly bodyBase64?: string | undefined;
  readonly attempt?: number | undefined;
  readonly consumer?: string | undefined;
  /** Several messages in place of `id`, `attempt`, `receipt` and `topic`: those of one call. */
  readonly items?: readonly RecordItem[] | undefined;
  /** Of a delivery, and of a settlement by a process that did not receive the message. */
  readonly receipt?: string | undefined;
  /** Of a retry or a reject; the error of a failure; the cause of a gap. */
  readonly reason?: string | undefined;
  /** The outcome of a settlement is not known. */
  readonly isUnsure?: true | undefined;
  /** How many messages an operation changed, or how many records a gap has. */
  readonly count?: number | undefined;
  /** Which messages an operation concerned. Without it: all of that state. */
  readonly ids?: readonly string[] | undefined;
  readonly state?: string | undefined;
  /** The first record of a gap. */
  readonly first?: number | undefined;
  readonly host?: string | undefined;
  readonly pid?: number | undefined;
  readonly program?: string | undefined;
}

/** One of several messages of a record. */
export type RecordItem = readonly [
  id: string,
  attempt: number,
  receipt?: string | undefined,
  topic?: string | undefined,
];

/** What an event of the log holds. */
export interface RecordBatch {
  readonly process: string;
  readonly records: readonly AuditRecord[];
}

/** A record as it is stored: the recorded bytes of its message follow it. */
interface StoredRecord extends AuditRecord {
  /** How many bytes follow. */
  readonly text?: number;
  readonly binary?: number;
}

const LINE_FEED = 0x0a;
/** What the end of the recorded bytes cuts off. */
const CUT_CHARACTER = /\uFFFD+$/;

/** Parses the body of an event; undefined for one that is no batch. `withBodies`: with the recorded bytes of messages. */
export function parseBatch(body: Uint8Array, withBodies = true): RecordBatch | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const records: AuditRecord[] = [];
  try {
    let at = endOfLine(bytes, 0);
    const { process } = JSON.parse(bytes.toString('utf8', 0, at)) as { readonly process?: unknown };
    if (typeof process !== 'string') return undefined;
    while (at < bytes.byteLength) {
      const end = endOfLine(bytes, at);
      const record = JSON.parse(bytes.toString('utf8', at, end)) as StoredRecord;
      at = end + (record.text ?? record.binary ?? 0);
      records.push(withBodies ? withBody(record, bytes.subarray(end, at)) : record);
    }
    return { process, records };
  } catch {
    return undefined;
  }
}

function withBody({ text, binary: _, ...record }: StoredRecord, stored: Buffer): AuditRecord {
  if (stored.byteLength === 0) return record;
  return { ...record, ...(text === undefined ? { bodyBase64: stored.toString('base64') } : readText(stored, record)) };
}

/** Where the next line begins. Throws if there is no end. */
function endOfLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(LINE_FEED, from);
  if (end === -1) throw new SyntaxError('a line without an end');
  return end + 1;
}

function readText(stored: Buffer, { bytes = 0 }: AuditRecord): Pick<AuditRecord, 'body'> {
  const text = stored.toString();
  return { body: bytes > stored.byteLength ? text.replace(CUT_CHARACTER, '') : text };
}

/** The same record, or one for each of its messages. */
export function single<R extends AuditRecord>(record: R): R[] {
  const { items, ...shared } = record;
  if (items === undefined) return [record];
  return items.map(([id, attempt, receipt, topic]) => ({ ...shared, id, attempt, receipt, topic }) as unknown as R);
}
