/** Receipts: which delivery of which message of which queue. At most 512 bytes, valid everywhere. */

/** What a receipt says. */
export interface Receipt {
  readonly queue: string;
  readonly token: string;
  readonly key: string;
}

export function toReceipt({ queue, token, key }: Receipt): string {
  return `${queue}#${Number(token).toString(36)}#${key}`;
}

/** Undefined for what is no receipt of ours: it settles nothing. */
export function parseReceipt(text: string): Receipt | undefined {
  const [, queue = '', token = '', key = ''] = /^([^#]+)#([0-9a-z]{1,11})#(.+)$/s.exec(text) ?? [];
  return key === '' ? undefined : { queue, token: String(Number.parseInt(token, 36)), key };
}
