/** Receipts: what says which lease of which message is meant. */

/** What a receipt says. */
export interface Lease {
  readonly queueId: number;
  readonly seq: number;
  readonly token: number;
}

/** Numbers in base 36, so that a receipt is short in a shell. */
export function toReceipt(queueId: number, seq: number, token: number): string {
  return `${queueId.toString(36)}.${seq.toString(36)}.${token.toString(36)}`;
}

/** The lease that a receipt names, or undefined for a string that never was one. */
export function parseReceipt(receipt: string): Lease | undefined {
  const match = /^([0-9a-z]{1,10})\.([0-9a-z]{1,10})\.([0-9a-z]{1,10})$/.exec(receipt);
  if (match === null) return undefined;
  const [queueId = 0, seq = 0, token = 0] = match.slice(1).map((part) => Number.parseInt(part, 36));
  return { queueId, seq, token };
}
