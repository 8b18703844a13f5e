/** Receipts: queue, lease token and message key, in at most 512 bytes. They are valid in every process. */

export interface Receipt {
  readonly queue: string;
  readonly token: string;
  readonly key: string;
}

export function toReceipt({ queue, token, key }: Receipt): string {
  return `${queue}#${Number(token).toString(36)}#${key}`;
}

/** Undefined for a text that is no receipt of this transport. */
export function parseReceipt(text: string): Receipt | undefined {
  const [, queue = '', token = '', key = ''] = /^([^#]+)#([0-9a-z]{1,11})#(.+)$/s.exec(text) ?? [];
  return key === '' ? undefined : { queue, token: String(Number.parseInt(token, 36)), key };
}
