/** `busbar ack`, `retry`, `reject`, `release` and `extend`: settle deliveries by their receipts. */

import { MAX_BATCH, MAX_DURATION_MS, type Settlement, type SettleResult } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { RECEIPT_NOTE, readReceipts, toDeliveryReceipt } from '../input/receipts.ts';
import { LEASE_FLAG } from '../mail/leases.ts';
import { CONFLICT, DONE, UNAVAILABLE } from '../output/exit-codes.ts';
import { unlessReaderGone } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import type { Session } from '../session.ts';

/** A note of the verbs that need the lease. */
const LOST_NOTE = 'Exit 6 if a lease was lost: another process got the message, or will get it. Stop working on it.';
const DELAY_FLAG = {
  kind: 'duration',
  max: MAX_DURATION_MS,
  help: 'wait this long before the next delivery (default 0)',
} as const;
const REASON_FLAG = { kind: 'text', max: 4_096, help: 'text for the history of the message' } as const;

export const ack: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {},
  examples: [
    ['busbar ack RECEIPT', 'the receipt that recv printed'],
    ['busbar recv @a --json | tee job.json | busbar ack', 'at most once: ack before the work'],
  ],
  notes: [RECEIPT_NOTE, LOST_NOTE],
  run: ({ args, session }) => settleAll(session, args, { action: 'ack' }),
});

export const retry: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: {
    delay: DELAY_FLAG,
    reason: REASON_FLAG,
  },
  examples: [
    ['busbar retry RECEIPT --delay 30s', 'deliver it again in 30 seconds'],
    ['busbar retry RECEIPT --reason "disk full"', 'deliver it again now, with a reason in its history'],
  ],
  notes: [RECEIPT_NOTE, 'A message without attempts left becomes a dead letter.'],
  run: ({ args, flags: { delay, reason }, session }) =>
    settleAll(session, args, {
      action: 'retry',
      delayMs: delay,
      reason,
    }),
});

export const reject: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: { reason: REASON_FLAG },
  examples: [['busbar reject RECEIPT --reason "no such file"', 'a dead letter, whatever attempts it has left']],
  notes: [RECEIPT_NOTE, 'busbar dead lists dead letters, puts them back and deletes them.'],
  run: ({ args, flags: { reason }, session }) => settleAll(session, args, { action: 'reject', reason }),
});

export const release: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: { delay: DELAY_FLAG },
  examples: [
    ['busbar release RECEIPT', 'another process gets it now, and its attempt does not count'],
    ['busbar release RECEIPT --delay 10m', 'deliver it again in ten minutes; its attempt does not count'],
  ],
  notes: [RECEIPT_NOTE],
  run: ({ args, flags: { delay }, session }) => settleAll(session, args, { action: 'release', delayMs: delay }),
});

export const extend: Command = defineCommand({
  args: ['RECEIPT...'],
  flags: { lease: LEASE_FLAG },
  examples: [
    ['busbar extend RECEIPT', "the lease starts again, at the inbox's full length"],
    ['busbar extend RECEIPT --lease 1h', 'it lasts an hour from now on'],
  ],
  notes: [RECEIPT_NOTE, LOST_NOTE, '--json prints how long the lease now lasts.'],
  run: ({ args, flags: { lease }, session }) => settleAll(session, args, { action: 'extend', leaseMs: lease }),
});

/** A settlement without its receipt. */
type SettleAction = Settlement extends infer S ? (S extends Settlement ? Omit<S, 'receipt'> : never) : never;

/** Settles the receipts in `args` or on stdin, reports lost leases, and resolves to the exit code. */
export async function settleAll(session: Session, args: readonly string[], action: SettleAction): Promise<number> {
  const receipts = (await readReceipts(args, session)).map(toDeliveryReceipt);
  const { queues } = await session.transport();
  let code = DONE;
  for (let start = 0; start < receipts.length; start += MAX_BATCH) {
    const batch = receipts.slice(start, start + MAX_BATCH).map((receipt) => ({ ...action, receipt }) as Settlement);
    for (const result of await queues.settle(batch, session.call)) code = Math.max(code, await report(session, result));
  }
  return code;
}

async function report({ out }: Session, { receipt, status, leaseLeftMs }: SettleResult): Promise<number> {
  if (out.json) {
    const line = { receipt, status, leaseLeftMs };
    await unlessReaderGone(out.jsonLines([line]));
  }
  if (status === 'done') return DONE;
  const shown = printableLine(receipt, 80);
  if (status === 'lease-lost') {
    out.warn(`lease lost: ${shown}. Another process has the message, or it was settled before`);
    return CONFLICT;
  }
  out.warn(`outcome unknown: ${shown}. If it was not settled, the message is delivered again`);
  return UNAVAILABLE;
}
