/** Receipts: what says which lease of which message is meant. */

/** What a receipt says. */
export interface Lease {
  readonly queueId: number;
  readonly token: number;
  readonly seq: number;
}

const FORM = /^[0-9a-z]{1,10}\.[0-9a-z]{1,10}\.$/;

/** What the receipts of one claim have in common. Numbers are in base 36, so that a receipt is short in a shell. */
export function receiptFront(queueId: number, token: number): string {
  return `${queueId.toString(36)}.${token.toString(36)}.`;
}

/** Reads receipts; those of one claim follow each other, so what they have in common is read once. */
export class ReceiptReader {
  #front = '';
  #queueId = 0;
  #token = 0;

  /** The lease that a receipt names, or undefined for a string that never was one. */
  read(receipt: string): Lease | undefined {
    const cut = receipt.lastIndexOf('.') + 1;
    if (cut !== this.#front.length || !receipt.startsWith(this.#front)) {
      const front = receipt.slice(0, cut);
      if (!FORM.test(front)) return undefined;
      const [queueId = '', token = ''] = front.split('.');
      this.#front = front;
      this.#queueId = Number.parseInt(queueId, 36);
      this.#token = Number.parseInt(token, 36);
    }
    const seq = Number.parseInt(receipt.slice(cut), 36);
    return Number.isSafeInteger(seq) ? { queueId: this.#queueId, token: this.#token, seq } : undefined;
  }
}
