/** The receipt of a delivery, with which every process can settle it, and the ack bodies of JetStream. */

import type { Lane, Names } from '../connection/names.ts';
import { NS } from '../connection/streams.ts';

/** The fields of a receipt. */
export interface Receipt {
  readonly queue: string;
  /** The life of the queue. */
  readonly inc: string;
  readonly lane: Lane;
  readonly seq: number;
  /** Its place among the deliveries of the consumer. */
  readonly cseq: number;
  /** The number of the receive. */
  readonly r: number;
  /** When the lease ends on the clock of the server, unless it was extended. */
  readonly end: number;
}

export function toReceipt({ queue, inc, lane, seq, cseq, r, end }: Receipt): string {
  return `${inc}.${lane}.${seq}.${cseq}.${r}.${Math.floor(end)}.${queue}`;
}

/** The fields of a receipt. Undefined if it is not a receipt of this transport. */
export function parseReceipt(text: string): Receipt | undefined {
  const [, inc, lane, seq, cseq, r, end, queue] =
    /^([0-9a-f]{8})\.([a-z][a-z0-9]*)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.(.+)$/.exec(text) ?? [];
  if (inc === undefined || lane === undefined || queue === undefined) return undefined;
  return { queue, inc, lane: lane as Lane, seq: Number(seq), cseq: Number(cseq), r: Number(r), end: Number(end) };
}

/** The name in place of a consumer's, for deliveries that no consumer made. Their `cseq` is 0. */
export const NO_CONSUMER = '';

/** The subject that settles a delivery, also one of another process. Empty if no consumer made it. */
export function ackSubject(names: Names, consumer: string, { seq, cseq }: Pick<Receipt, 'seq' | 'cseq'>): string {
  if (consumer === NO_CONSUMER) return '';
  return `$JS.ACK.${names.queues}.${consumer}.1.${seq}.${cseq}.0.0`;
}

/** The ack body that returns a message to its consumer after `ms`. */
export function nakBody(ms: number): string {
  return ms > 0 ? `-NAK {"delay":${Math.ceil(ms * NS)}}` : '-NAK';
}
