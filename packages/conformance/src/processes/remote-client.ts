/** A client in a process of its own, steered by messages: to be killed, paused and made to block. */

import type {
  Delivery,
  KvEntry,
  MessageInput,
  PutResult,
  ReceiveOptions,
  SendResult,
  Settlement,
  SettleResult,
} from '@busbar/api/transport';
import type { Seen } from '../context/recorder.ts';
import type { ConsumeOptions, ProduceOptions } from './protocol.ts';

/** A client in a process of its own. Errors arrive with their code. */
export interface RemoteClient {
  readonly pid: number;
  send(queue: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  receive(queue: string, options?: Omit<ReceiveOptions, 'signal'>): Promise<Delivery[]>;
  settle(settlements: readonly Settlement[]): Promise<SettleResult[]>;
  publish(topic: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  put(key: string, text: string, options?: { ttlMs?: number; ifRevision?: number }): Promise<PutResult>;
  get(key: string): Promise<KvEntry | undefined>;
  /**
   * Calls the export `name` of `module` (a URL) over there with the transport and `argument`, and gives what it returns.
   * What travels is what structured clone carries.
   */
  run<T>(module: string, name: string, argument?: unknown): Promise<T>;
  /**
   * Starts a load that goes on by itself: `produce` sends messages with ids `prefix-0`, `prefix-1`, …, `consume` receives
   * and acks. `stop` ends it and gives what was acknowledged and what was seen; what a killed one had told is kept.
   */
  produce(queue: string, options: ProduceOptions): Promise<Load>;
  consume(queue: string, options?: ConsumeOptions): Promise<Load>;
  /** Blocks its event loop for `ms`; resolves when it is free again. */
  block(ms: number): Promise<void>;
  /** Sets its wall clock off by `ms` (Date only). */
  shiftClock(ms: number): Promise<void>;
  /** Closes its transport and ends the process; resolves with its exit code. */
  close(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

/** A load in a process of its own. */
export interface Load {
  /** Ids whose send was acknowledged so far, as told to this process. */
  readonly sent: readonly string[];
  /** Ids whose ack was acknowledged so far. */
  readonly acked: readonly string[];
  readonly seen: readonly Seen[];
  /** The slowest call so far, in milliseconds. */
  readonly slowestMs: number;
  /** Resolves when it has nothing left to do, was stopped, or its process is gone; rejects when a call failed. */
  readonly over: Promise<void>;
  stop(): Promise<void>;
}
