/** The log of an agent: its last 100 lines, readable by everyone on the bus. */

import type { CallOptions } from '../../contract/call-options.ts';
import { invalid } from '../../contract/errors.ts';
import { checkOneOf, checkOptions } from '../../contract/validation.ts';
import { withTimeout } from '../bounded-wait.ts';
import type { LogLevel } from '../consuming/context.ts';
import { readObject } from '../messages/codec.ts';
import type { BusRuntime } from '../runtime.ts';
import { CLEANUP_MS } from '../shutdown.ts';
import { checkAgentName, logPrefix } from './agent-names.ts';
import type { Registry } from './registry.ts';

/** One line of a log. */
export interface LogLine {
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
}

const MAX_LINES = 100;
const MAX_BYTES = 60_000;
const MAX_TEXT = 2000;
const FLUSH_MS = 250;
/** How long a log is kept after its last line. */
const KEPT_MS = 86_400_000;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const encoder = new TextEncoder();

/** The log of one instance. It writes lines in batches, at most every 250 ms. */
export class AgentLog {
  readonly #runtime: BusRuntime;
  readonly #key: string;
  readonly #agent: string;
  #lines: LogLine[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(runtime: BusRuntime, agent: string, instance: string) {
    this.#runtime = runtime;
    this.#key = `${logPrefix(agent)}${instance}`;
    this.#agent = agent;
  }

  /** Adds a line of at most 2,000 characters; longer text is cut. */
  add(text: string, level: LogLevel = 'info'): void {
    if (typeof text !== 'string') throw invalid('a line of a log must be a string', 'Convert other values to text.');
    checkOneOf(level, 'level', LEVELS);
    this.#lines.push({ at: Date.now(), level, text: text.slice(0, MAX_TEXT).toWellFormed() });
    if (this.#lines.length > MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  /** Writes the remaining lines. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#flush();
    await withTimeout(this.#writing, CLEANUP_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    try {
      await this.#runtime.transport.kv.put(this.#key, this.#encode(), { ttlMs: KEPT_MS });
    } catch (error) {
      this.#runtime.report(error, { kind: 'log', agent: this.#agent });
    }
  }

  /** Encodes the latest lines that fit into an entry. */
  #encode(): Uint8Array {
    while (true) {
      const value = encoder.encode(JSON.stringify({ lines: this.#lines }));
      if (value.byteLength <= MAX_BYTES) return value;
      this.#lines = this.#lines.slice(Math.ceil(this.#lines.length / 4));
    }
  }
}

/** The last 100 lines of all instances of an agent, oldest first. */
export async function readLogs(registry: Registry, agent: string, options?: CallOptions): Promise<LogLine[]> {
  checkAgentName(agent);
  checkOptions(options, ['timeoutMs', 'signal'], 'options of the log');
  const prefix = logPrefix(agent);
  const entries = (await registry.all(prefix, options)).filter(({ key }) => !key.slice(prefix.length).includes('/'));
  const lines = entries.flatMap(({ value }) => (readObject(value)?.['lines'] ?? []) as readonly LogLine[]);
  return lines.sort((a, b) => a.at - b.at).slice(-MAX_LINES);
}
