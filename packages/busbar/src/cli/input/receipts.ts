/** Receipts of messages and tasks: arguments, or lines of a pipe. */

import { BusbarError, invalid } from '@busbar/api/transport';
import type { Session } from '../session.ts';
import { isPiped, readStdin } from './body.ts';

/** A note of every verb that takes receipts. */
export const RECEIPT_NOTE =
  'Give receipts as arguments, or one per line through a pipe: bare, or as the lines of --json.';

/** The receipts in `words`; without words, or with `-`, those of stdin. */
export async function readReceipts(words: readonly string[], session: Session): Promise<string[]> {
  const fromStdin = words.length === 0 ? isPiped() : words.length === 1 && words[0] === '-';
  const given = fromStdin ? (await readStdin(session)).split('\n').map(toReceipt) : words;
  const receipts = given.filter((word) => word !== '');
  if (receipts.length > 0) return receipts;
  throw invalid('RECEIPT is missing', 'recv or task take prints it. Give it as an argument or through a pipe.');
}

/** The receipt of the delivery in the receipt of a task; another one unchanged. */
export function toDeliveryReceipt(receipt: string): string {
  return receipt.replace(/^task=[^=]*=[^=]*=/, '');
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
