/** What a record asks of the state: the commands of the log. */

import type { PreparedMessage, PutCondition } from '@busbar/api/driver';
import type { KvTouch, QueueSettings, Settlement, StateRecord } from '@busbar/api/transport';

/** A message of the history on its way into a bound queue. */
export interface FedEvent {
  readonly number: number;
  readonly topic: string;
  readonly message: PreparedMessage;
}

/** What an import brings beside events, which it publishes. */
export type Imported = Exclude<StateRecord, { readonly kind: 'event' }>;

/** One command. Every replica carries out the same ones in the same order, and so comes to the same state. */
export type Operation =
  | {
      readonly op: 'send';
      readonly queue: string;
      readonly create: boolean;
      readonly messages: readonly PreparedMessage[];
    }
  | { readonly op: 'claim'; readonly queue: string; readonly max: number; readonly consumer: string | undefined }
  | { readonly op: 'settle'; readonly settlements: readonly Settlement[] }
  | { readonly op: 'configure'; readonly queue: string; readonly settings: QueueSettings }
  /** `quiet`: into the history alone, past all bindings, since it comes from an import. */
  | {
      readonly op: 'publish';
      readonly topic: string;
      readonly messages: readonly PreparedMessage[];
      readonly quiet?: true;
    }
  /** `since`: the first event it covers, by number; undefined for what comes next. */
  | { readonly op: 'bind'; readonly queue: string; readonly pattern: string; readonly since: number | undefined }
  | { readonly op: 'unbind'; readonly queue: string; readonly pattern: string }
  /** History from number `from` to before `to`, for a binding that stands at `from`. */
  | {
      readonly op: 'feed';
      readonly queue: string;
      readonly pattern: string;
      readonly from: number;
      readonly to: number;
      readonly events: readonly FedEvent[];
    }
  | { readonly op: 'put'; readonly key: string; readonly value: Uint8Array; readonly condition: PutCondition }
  | { readonly op: 'touch'; readonly touches: readonly KvTouch[] }
  | { readonly op: 'delete'; readonly key: string; readonly ifRevision: number | undefined }
  | {
      readonly op: 'redrive';
      readonly queue: string;
      readonly ids: readonly string[] | undefined;
      readonly limit: number;
    }
  | {
      readonly op: 'purge';
      readonly queue: string;
      readonly state: 'ready' | 'delayed' | 'dead';
      readonly ids: readonly string[] | undefined;
    }
  | { readonly op: 'cancel'; readonly queue: string; readonly ids: readonly string[] }
  | { readonly op: 'reschedule'; readonly queue: string; readonly ids: readonly string[]; readonly delayMs: number }
  | { readonly op: 'deleteQueue'; readonly queue: string }
  | { readonly op: 'clear' }
  | { readonly op: 'import'; readonly records: readonly Imported[] }
  /** Somebody waits on these queues. */
  | { readonly op: 'use'; readonly queues: readonly string[] }
  /** Nothing but its time. */
  | { readonly op: 'tick' };
