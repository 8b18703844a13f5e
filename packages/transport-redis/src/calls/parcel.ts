/** Parcels: what calls send to another process, and the line of JSON that announces them. */

import type { SizedHead } from '@busbar/api/driver';
import type { BusbarError, Message } from '@busbar/api/transport';

/** The fields of a message, and the id of its body if it is stored. */
export interface ParcelHead extends SizedHead {
  readonly stored?: string;
}

/** A request, an answer, a control message, or that a process serves an address. */
export type ParcelKind = 'request' | 'answer' | 'control' | 'serves';

/** `name`: the id of a call, or an address. */
export type ParcelLine = readonly [kind: ParcelKind, name: string, detail: unknown, heads: readonly ParcelHead[]];

/** The first line of a message: its sender, and its parcels. */
export interface ParcelsLine {
  readonly by: string;
  readonly parcels: readonly ParcelLine[];
}

export interface Parcel {
  readonly kind: ParcelKind;
  readonly name: string;
  readonly detail: unknown;
  readonly messages: readonly Message[];
  /** It is dropped if it cannot be sent by then. */
  readonly deadline: number;
  /** Whether it may arrive twice. If not, it may be lost. */
  readonly repeat: boolean;
  readonly onTaken?: () => void;
  /** The channel has no subscriber. */
  readonly onAbsent?: () => void;
  readonly onError?: (error: BusbarError) => void;
}

/** Of an answer: how many replies precede its own, whether it is the last, and its error. */
export type AnswerDetail = readonly [from: number, isEnd: 0 | 1, error: Readonly<Record<string, unknown>> | null];
