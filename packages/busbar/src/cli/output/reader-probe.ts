/** Whether stdout still has a reader. Node notices only when it writes that a pipe has none. */

import { fstatSync, writeSync } from 'node:fs';

/** Returns whether the reader has gone. */
export type ReaderProbe = () => boolean;

const STDOUT = 1;
/** Of WASI preview 1: the tags of subscriptions, their size, and the monotonic clock. */
const TAG_CLOCK = 0;
const TAG_WRITE = 2;
const SUBSCRIPTION_BYTES = 48;
const CLOCK_MONOTONIC = 1;
/** Without any time the clock comes first. */
const TIMEOUT_NS = 1_000_000n;
const [EVENTS, COUNT] = [128, 256];

/** A probe for stdout if it is a pipe or a socket; undefined for a file or a terminal. */
export async function openReaderProbe(): Promise<ReaderProbe | undefined> {
  const stats = fstatSync(STDOUT);
  if (stats.isFIFO()) return openPipeProbe();
  return stats.isSocket() ? isSocketClosed : undefined;
}

/** Writes nothing: a socket refuses that only after its other end was closed. */
function isSocketClosed(): boolean {
  try {
    writeSync(STDOUT, '');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPIPE';
  }
}

/** Polls the pipe through WASI, the only part of Node that gives access to poll(2). It takes 0.2 ms. */
async function openPipeProbe(): Promise<ReaderProbe> {
  const poll = await loadPoll();
  const memory = new wasm.Memory({ initial: 1 });
  poll.initialize({ exports: { memory } });
  const view = new DataView(memory.buffer);
  view.setUint8(8, TAG_WRITE);
  view.setUint32(16, STDOUT, true);
  // A second subscription, for the clock: a full pipe must not block.
  view.setUint8(SUBSCRIPTION_BYTES + 8, TAG_CLOCK);
  view.setUint32(SUBSCRIPTION_BYTES + 16, CLOCK_MONOTONIC, true);
  view.setBigUint64(SUBSCRIPTION_BYTES + 24, TIMEOUT_NS, true);
  return () => {
    const failed = poll.wasiImport['poll_oneoff']?.(0, EVENTS, 2, COUNT) !== 0;
    const first = view.getUint8(EVENTS + 10);
    return !failed && first === TAG_WRITE && view.getUint16(EVENTS + 8, true) !== 0;
  };
}

/** What the types of Node lack. */
const wasm = (globalThis as unknown as { WebAssembly: { Memory: new (of: { initial: number }) => Memory } })
  .WebAssembly;

interface Memory {
  readonly buffer: ArrayBuffer;
}

interface Poll {
  readonly wasiImport: Readonly<Record<string, (...args: number[]) => number>>;
  initialize(instance: object): void;
}

/** Node warns that WASI is experimental. Users of a command need not know. */
async function loadPoll(): Promise<Poll> {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    const { WASI } = await import('node:wasi');
    return new WASI({ version: 'preview1' }) as unknown as Poll;
  } finally {
    process.emitWarning = emitWarning;
  }
}
