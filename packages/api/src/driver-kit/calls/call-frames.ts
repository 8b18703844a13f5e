/** Frames of calls between a caller and a responder: a line of JSON, then the bodies one after the other. */

import { BusbarError } from '../../contract/errors.ts';
import type { Message } from '../../contract/message.ts';
import { decodeFields, encodeFields } from '../message-fields.ts';

/** How many replies may be on the way to a slow reader. */
export const CALL_WINDOW = 64;

/** From the caller to the responder. */
export interface CallRequest {
  /** How long the caller waits. Undefined: without limit. */
  readonly leftMs: number | undefined;
  readonly message: Message;
}

/** From the responder to the caller. */
export interface CallAnswer {
  readonly replies: readonly Message[];
  readonly isEnd: boolean;
  readonly error: BusbarError | undefined;
}

/** From the caller to its responder: it has read `read` more replies, or has left. */
export interface CallControl {
  readonly read?: number;
  readonly left?: true;
}

/** The fields of a message, and how many bytes its body has in the frame. */
export type SizedHead = Partial<Message> & { readonly size: number };

const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function toSizedHead(message: Message): SizedHead {
  return { ...encodeFields(message), sentAt: message.sentAt, size: message.body.byteLength };
}

/** A line of JSON with the bodies of `messages` behind it. */
export function encodeFrame(line: unknown, messages: readonly Message[]): Uint8Array {
  const head = encoder.encode(`${JSON.stringify(line)}\n`);
  let size = head.byteLength;
  for (const { body } of messages) size += body.byteLength;
  const frame = new Uint8Array(size);
  frame.set(head);
  let at = head.byteLength;
  for (const { body } of messages) {
    frame.set(body, at);
    at += body.byteLength;
  }
  return frame;
}

/** A frame that was received. */
export class CallFrame<Line> {
  readonly line: Line;
  readonly #data: Uint8Array;
  #at: number;

  constructor(data: Uint8Array) {
    const end = Math.max(0, data.indexOf(NEWLINE));
    this.line = JSON.parse(decoder.decode(data.subarray(0, end))) as Line;
    this.#data = data;
    this.#at = end + 1;
  }

  /** The next messages of the frame. Each body is a copy: a long-lived message does not keep the whole frame in memory. */
  messages(heads: readonly SizedHead[]): Message[] {
    return heads.map((head) => this.message(head));
  }

  message(head: SizedHead): Message {
    const end = this.#at + head.size;
    if (end > this.#data.byteLength) throw new BusbarError('INTERNAL', 'a frame of a call is cut short');
    const body = new Uint8Array(this.#data.subarray(this.#at, end));
    this.#at = end;
    return decodeFields(head, body);
  }
}
