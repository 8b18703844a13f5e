/** Numbers the records of this process and appends them to the log in batches. */

import { completeMessage, passOn, type WorkFailures } from '@busbar/api/driver';
import { BusbarError, type Transport, toBusbarError } from '@busbar/api/transport';
import { pause } from '../pause.ts';
import { BatchBuffer } from './batch-buffer.ts';
import type { Description } from './body.ts';
import { type RecordFields, type RecordItem, TOPIC } from './record.ts';

/** What a log writer works with. */
export interface LogWriterOptions {
  readonly process: string;
  /** What the first record says of the process. One that records nothing writes nothing. */
  readonly begin: Omit<RecordFields, 'action'>;
  /** Opens the log. It is called again after a failure. */
  readonly open: () => Promise<Transport>;
  /** The URL of the log without secrets, for errors. */
  readonly name: string;
  readonly onFull: 'gap' | 'refuse';
  readonly bufferBytes: number;
  /** Gets the first failure of the log after each success. */
  readonly failures: WorkFailures;
}

const CONTENT_TYPE = 'application/vnd.busbar.audit';
const NO_MESSAGE: Description = { json: '' };
/** Records wait this long for others. A process that is killed loses them. */
const FLUSH_MS = 100;
/** Characters of one record. A store takes bodies of at least 512 KiB, and a character has up to 3 bytes. */
const MAX_CHARS = 131_072;
/** Messages of one record: with the longest ids and receipts they fit into a batch. */
const MAX_ITEMS = 100;
const APPEND_MS = 10_000;
const RETRY_MS = { min: 100, max: 5_000 };
/** How long closing waits for the log. */
const CLOSE_MS = 2_000;

/** One record of several messages, to which more may be added. */
interface Group {
  readonly members: string;
  readonly at: number;
  readonly items: RecordItem[];
}

/** The records of this process. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #log: Transport | undefined;
  #opening: Promise<Transport> | undefined;
  #next = 0;
  #hasBegun = false;
  #group: Group | undefined;
  /** The last one takes further records. */
  readonly #batches: BatchBuffer[] = [];
  /** Bytes that the log does not have yet. */
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  /** Why the last append failed. */
  #error: BusbarError | undefined;
  /** The records that were dropped since the buffer was full. */
  #gap: { readonly first: number; count: number; reason: string } | undefined;
  readonly #closing = new AbortController();

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** The URL of the log without secrets. */
  get name(): string {
    return this.#options.name;
  }

  /** The log, once it is open. */
  get log(): Transport | undefined {
    return this.#log;
  }

  /** Opens the log now, so that a bad one is noticed at once. Afterwards each append opens it if needed. */
  async open(): Promise<Transport> {
    if (this.#log !== undefined) return this.#log;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Throws BACKPRESSURE if nothing may happen that the log does not take. */
  admit(operation: string, transport: string): void {
    const { onFull, bufferBytes, name } = this.#options;
    if (onFull === 'gap' || (this.#error === undefined && this.#bytes < bufferBytes)) return;
    const reason = this.#error === undefined ? 'it is too slow' : this.#error.message;
    throw new BusbarError('BACKPRESSURE', `the audit log ${name} takes no records: ${reason}`, {
      ...{ operation, transport, cause: this.#error },
      hint: 'Mend the log. With onFull=gap the bus goes on without it.',
    });
  }

  /** Records something, and returns the number of the record. */
  write(fields: RecordFields): number {
    return this.append(JSON.stringify(fields).slice(1, -1));
  }

  /**
   * Records the members of a JSON object, with the recorded bytes of a message. Most of a record is the same in many, so that
   * its writer keeps that as text.
   */
  append(members: string, at: number = Date.now(), message: Description = NO_MESSAGE): number {
    if (!this.#hasBegun) this.#begin();
    this.#endGroup();
    const n = this.#next;
    this.#next += 1;
    if (this.#gap !== undefined) this.#gap.count += 1;
    else {
      const start = `{"n":${n},"at":${at},${members}`;
      // Characters that JSON escapes can make a message too long for a batch.
      if (start.length + message.json.length < MAX_CHARS) this.#push(n, `${start}${message.json}}`, message.body);
      else this.#push(n, `${start}}`);
    }
    return n;
  }

  /**
   * Records what happened to one of several messages: the members of a JSON object are the same for all of them. Those of the
   * same moment that follow each other are one record, since most of what a record of its own would say is the same.
   */
  appendItem(members: string, item: RecordItem): void {
    const at = Date.now();
    const group = this.#group;
    if (group !== undefined && group.at === at && group.members === members && group.items.length < MAX_ITEMS) {
      group.items.push(item);
      return;
    }
    this.#endGroup();
    this.#group = { members, at, items: [item] };
    this.#flushSoon();
  }

  #endGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    this.append(`${group.members},"items":${JSON.stringify(group.items)}`, group.at);
  }

  /** Writes what is left and an end, and closes the log. What it does not take in time is a gap. */
  async close(): Promise<void> {
    this.#endGroup();
    const { signal } = this.#closing;
    const timer = setTimeout(() => this.#closing.abort(), CLOSE_MS);
    const isWhole = this.#gap === undefined;
    if (isWhole && this.#next > 0) this.write({ action: 'end' });
    while (this.#bytes > 0 && !signal.aborted) await this.#flush();
    if (!isWhole && !signal.aborted) {
      this.write({ action: 'end' });
      await this.#flush();
    }
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#closing.abort();
    if (this.#opening === undefined) await this.#flushing;
    await this.#log?.close();
  }

  async #open(): Promise<Transport> {
    const log = await this.#options.open();
    if (this.#closing.signal.aborted) {
      await log.close();
      throw new BusbarError('CLOSED', 'the audit is closed');
    }
    log.onFailure(({ work, error }) => this.#options.failures.report(`${work} of the audit log`, error));
    this.#log = log;
    return log;
  }

  #begin(): void {
    this.#hasBegun = true;
    this.write({ action: 'begin', ...this.#options.begin });
  }

  #push(n: number, json: string, body?: Uint8Array): void {
    const { onFull, bufferBytes, process } = this.#options;
    if (onFull === 'gap' && this.#bytes + json.length + (body?.byteLength ?? 0) > bufferBytes) {
      this.#gap = { first: n, count: 1, reason: this.#error?.message ?? 'the log is too slow' };
      return;
    }
    const last = this.#batches.at(-1);
    const before = last?.byteLength ?? 0;
    if (last?.add(json, body)) this.#bytes += last.byteLength - before;
    else {
      const batch = new BatchBuffer(process, n, json, body);
      this.#batches.push(batch);
      this.#bytes += batch.byteLength;
    }
    if (this.#flushing !== undefined) return;
    if (this.#batches.length > 1 || this.#bytes >= bufferBytes / 2) void this.#flush();
    else this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing === undefined) this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS);
  }

  /** Appends what waits; one flush at a time. */
  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#endGroup();
    this.#flushing ??= this.#appendAll().finally(() => {
      this.#flushing = undefined;
      if ((this.#bytes > 0 || this.#group !== undefined) && !this.#closing.signal.aborted) this.#flushSoon();
    });
    return this.#flushing;
  }

  /** Whole batches, and the rest of the moment. What comes meanwhile waits for others. */
  async #appendAll(): Promise<void> {
    do {
      const batch = this.#batches.shift();
      if (batch === undefined) return;
      // The same batch is appended again, so that the log knows its id.
      for (let wait = RETRY_MS.min; !(await this.#append(batch)); wait = Math.min(2 * wait, RETRY_MS.max)) {
        await pause(wait, this.#closing.signal, false);
        if (this.#closing.signal.aborted) return;
      }
      this.#bytes -= batch.byteLength;
      this.#endGap();
    } while (this.#batches.length > 1);
  }

  /** Resolves with whether the log has it. */
  async #append({ first, body }: BatchBuffer): Promise<boolean> {
    // It keeps the bytes: a copy of each batch cost as much as its records.
    const id = `${this.#options.process}.${first}`;
    const message = completeMessage({ id, body, contentType: CONTENT_TYPE }, { topic: TOPIC });
    const before = this.#error;
    try {
      const log = await this.open();
      const [result] = await log.topics.publish(TOPIC, passOn([message]), {
        timeoutMs: APPEND_MS,
        signal: this.#closing.signal,
      });
      this.#error = result?.error;
    } catch (error) {
      this.#error = toBusbarError(error);
    }
    const isNew = this.#error !== undefined && before === undefined && !this.#closing.signal.aborted;
    if (isNew) this.#options.failures.report('audit log', this.#error);
    if (this.#gap !== undefined && this.#error !== undefined) this.#gap.reason = this.#error.message;
    return this.#error === undefined;
  }

  /** The log works again: it says what is missing. The gap grows until half of the buffer is free, so that there are few. */
  #endGap(): void {
    if (this.#gap === undefined || this.#bytes > this.#options.bufferBytes / 2) return;
    const gap = this.#gap;
    this.#gap = undefined;
    this.write({ action: 'gap', ...gap });
  }
}
