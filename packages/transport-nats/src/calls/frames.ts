/** Frames of calls over core NATS: a line of JSON, then the bodies one after the other. */

import { decodeError, decodeFields, encodeError, encodeFields } from '@busbar/api/driver';
import { BusbarError, type Message } from '@busbar/api/transport';

/** How many replies may be on the way to a slow reader. */
export const WINDOW = 64;

/** From the caller to the responder. */
export interface Request {
  /** How long the caller waits. Undefined: without limit. */
  readonly leftMs: number | undefined;
  readonly message: Message;
}

/** From the responder to the caller. An empty one tells that a responder has the call. */
export interface Answer {
  readonly replies: readonly Message[];
  readonly isEnd: boolean;
  readonly error: BusbarError | undefined;
}

/** From the caller to its responder: it has read `read` more replies, or has left. */
export interface Control {
  readonly read?: number;
  readonly left?: true;
}

type SizedHead = Partial<Message> & { readonly size: number };

const NEWLINE = 10;
/** Smaller bodies share blocks of memory. */
const SMALL = 2_048;

export function encodeRequest({ leftMs, message }: Request): Buffer {
  return encodeFrame({ leftMs, message: toSizedHead(message) }, [message]);
}

export function decodeRequest(data: Uint8Array): Request {
  const { line, bodies } = decodeFrame<{ leftMs?: number; message: SizedHead }>(data);
  const [message] = readMessages([line.message], bodies) as [Message];
  return { leftMs: line.leftMs, message };
}

export function encodeAnswer({ replies, isEnd, error }: Answer): Buffer {
  const line = {
    replies: replies.map(toSizedHead),
    ...(isEnd && { end: true }),
    ...(error && { error: encodeError(error) }),
  };
  return encodeFrame(line, replies);
}

export function decodeAnswer(data: Uint8Array): Answer {
  const { line, bodies } = decodeFrame<{
    replies: SizedHead[];
    end?: boolean;
    error?: Readonly<Record<string, unknown>>;
  }>(data);
  const replies = readMessages(line.replies, bodies);
  return { replies, isEnd: line.end === true, error: line.error && decodeError(line.error) };
}

function toSizedHead(message: Message): SizedHead {
  return { ...encodeFields(message), sentAt: message.sentAt, size: message.body.byteLength };
}

function encodeFrame(line: unknown, messages: readonly Message[]): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(line)}\n`), ...messages.map(({ body }) => body)]);
}

function decodeFrame<T>(data: Uint8Array): { readonly line: T; readonly bodies: Uint8Array } {
  const end = data.indexOf(NEWLINE);
  const text = Buffer.from(data.buffer, data.byteOffset, Math.max(0, end)).toString();
  return { line: JSON.parse(text) as T, bodies: data.subarray(end + 1) };
}

/** Each body is a copy: a long-lived message does not keep the whole frame in memory. */
function readMessages(heads: readonly SizedHead[], bodies: Uint8Array): Message[] {
  let at = 0;
  return heads.map((head) => {
    const view = bodies.subarray(at, at + head.size);
    if (view.byteLength !== head.size) throw new BusbarError('INTERNAL', 'a frame of a call is cut short');
    at += head.size;
    return decodeFields(head, head.size <= SMALL ? Buffer.from(view) : new Uint8Array(view));
  });
}
