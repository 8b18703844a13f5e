/** Settles deliveries by their receipts, for ack, retry, reject, release and extend. */

import { BusbarError, invalid, MAX_BATCH, type Settlement, type SettleResult } from '@busbar/api/transport';
import { isPiped, readStdin } from '../input/body.ts';
import { CONFLICT, DONE, UNAVAILABLE } from '../output/exit-codes.ts';
import { unlessReaderGone } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import type { Session } from '../session.ts';

/** A note of every verb that takes receipts. */
export const RECEIPT_NOTE =
  'Give receipts as arguments, or one per line through a pipe: bare, or as the lines of recv --json.';

/** A note of the verbs that need the lease. */
export const LOST_NOTE =
  'Exit 6 if a lease was lost: another process got the message, or will get it. Stop working on it.';

/** The flag `--reason`. */
export const REASON_FLAG = { kind: 'text', max: 4_096, help: 'text for the history of the message' } as const;

/** A settlement without its receipt. */
export type SettleAction = Settlement extends infer S ? (S extends Settlement ? Omit<S, 'receipt'> : never) : never;

/** Settles the receipts in `args` or on stdin, reports lost leases, and resolves to the exit code. */
export async function settleAll(session: Session, args: readonly string[], action: SettleAction): Promise<number> {
  const receipts = await readReceipts(args, session);
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

async function readReceipts(args: readonly string[], session: Session): Promise<string[]> {
  const fromStdin = args.length === 0 ? isPiped() : args.length === 1 && args[0] === '-';
  const words = fromStdin ? (await readStdin(session)).split('\n').map(toReceipt) : args;
  const receipts = words.filter((word) => word !== '');
  if (receipts.length > 0) return receipts;
  throw invalid('RECEIPT is missing', 'recv prints it. Give it as an argument or through a pipe.');
}

function toReceipt(line: string, index: number): string {
  const text = line.trim();
  if (!text.startsWith('{')) return text;
  try {
    const { receipt } = JSON.parse(text) as { receipt?: unknown };
    if (typeof receipt === 'string') return receipt;
  } catch (error) {
    throw new BusbarError('INVALID_ARGUMENT', `line ${index + 1} of stdin is not JSON`, {
      hint: RECEIPT_NOTE,
      cause: error,
    });
  }
  throw invalid(`line ${index + 1} of stdin has no receipt`, RECEIPT_NOTE);
}
