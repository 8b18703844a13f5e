/** A client in its own process. Cases can kill, pause and block it. */

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
import type { ConsumeOptions, ProduceOptions } from './protocol.ts';
import type { RemoteLoad } from './remote-load.ts';

/** A client in its own process. Errors keep their code. */
export interface RemoteClient {
  readonly pid: number;
  send(queue: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  receive(queue: string, options?: Omit<ReceiveOptions, 'signal'>): Promise<Delivery[]>;
  settle(settlements: readonly Settlement[]): Promise<SettleResult[]>;
  publish(topic: string, messages: readonly MessageInput[]): Promise<SendResult[]>;
  put(key: string, text: string, options?: { ttlMs?: number; ifRevision?: number }): Promise<PutResult>;
  get(key: string): Promise<KvEntry | undefined>;
  /**
   * Calls the export `name` of `module` (a URL) in that process with the transport and `argument`, and returns its result.
   * Argument and result are structured clones.
   */
  run<T>(module: string, name: string, argument?: unknown): Promise<T>;
  /**
   * Starts a load: `produce` sends messages with ids `prefix-0`, `prefix-1`, …, `consume` receives and acks. It runs until
   * `stop`. The reported progress of a killed process is kept.
   */
  produce(queue: string, options: ProduceOptions): Promise<RemoteLoad>;
  consume(queue: string, options?: ConsumeOptions): Promise<RemoteLoad>;
  /** Blocks its event loop for `ms`. Resolves afterwards. */
  block(ms: number): Promise<void>;
  /** Shifts its wall clock by `ms` (Date only). */
  shiftClock(ms: number): Promise<void>;
  /** Closes its transport and ends the process. Resolves with the exit code. */
  close(): Promise<number | null>;
  /** Sends SIGKILL. Resolves when the process has ended. */
  kill(): Promise<void>;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}
