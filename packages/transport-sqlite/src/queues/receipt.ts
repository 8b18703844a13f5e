/** Receipts: a receipt identifies a message and one of its leases. */

/** The content of a receipt. */
export interface ReceiptLease {
  readonly queueId: number;
  readonly token: number;
  readonly seq: number;
}

const FORM = /^[0-9a-z]{1,10}\.[0-9a-z]{1,10}\.$/;

/** The common prefix of the receipts of one claim. Base 36 keeps a receipt short. */
export function receiptPrefix(queueId: number, token: number): string {
  return `${queueId.toString(36)}.${token.toString(36)}.`;
}

/** Parses receipts. Those of one claim follow each other, so their common prefix is parsed once. */
export class ReceiptReader {
  #prefix = '';
  #queueId = 0;
  #token = 0;

  /** The lease of a receipt, or undefined for a malformed string. */
  read(receipt: string): ReceiptLease | undefined {
    const cut = receipt.lastIndexOf('.') + 1;
    if (cut !== this.#prefix.length || !receipt.startsWith(this.#prefix)) {
      const prefix = receipt.slice(0, cut);
      if (!FORM.test(prefix)) return undefined;
      const [queueId = '', token = ''] = prefix.split('.');
      this.#prefix = prefix;
      this.#queueId = Number.parseInt(queueId, 36);
      this.#token = Number.parseInt(token, 36);
    }
    const seq = Number.parseInt(receipt.slice(cut), 36);
    return Number.isSafeInteger(seq) ? { queueId: this.#queueId, token: this.#token, seq } : undefined;
  }
}
