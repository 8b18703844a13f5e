/** Frames of calls over core NATS: one request or one answer in each message. */

import {
  type CallAnswer,
  CallFrame,
  type CallRequest,
  decodeError,
  encodeError,
  encodeFrame,
  type SizedHead,
  toSizedHead,
} from '@busbar/api/driver';

export function encodeRequest({ leftMs, message }: CallRequest): Uint8Array {
  return encodeFrame({ leftMs, message: toSizedHead(message) }, [message]);
}

export function decodeRequest(data: Uint8Array): CallRequest {
  const frame = new CallFrame<{ readonly leftMs?: number; readonly message: SizedHead }>(data);
  return { leftMs: frame.line.leftMs, message: frame.message(frame.line.message) };
}

export function encodeAnswer({ replies, isEnd, error }: CallAnswer): Uint8Array {
  const line = {
    replies: replies.map(toSizedHead),
    ...(isEnd && { end: true }),
    ...(error && { error: encodeError(error) }),
  };
  return encodeFrame(line, replies);
}

export function decodeAnswer(data: Uint8Array): CallAnswer {
  const frame = new CallFrame<{
    readonly replies: readonly SizedHead[];
    readonly end?: boolean;
    readonly error?: Readonly<Record<string, unknown>>;
  }>(data);
  const { replies, end, error } = frame.line;
  return { replies: frame.messages(replies), isEnd: end === true, error: error && decodeError(error) };
}
