/** Receipts: queue, lease token and message key, in at most 512 bytes. They are valid in every process. */

export interface Receipt {
  readonly queue: string;
  readonly token: string;
  readonly key: string;
}

const TOKEN = /^\d{1,16}$/;

export function toReceipt({ queue, token, key }: Receipt): string {
  return `${queue}#${token}#${key}`;
}

/** Undefined for a text that is no receipt of this transport. */
export function parseReceipt(text: string): Receipt | undefined {
  const queueEnd = text.indexOf('#');
  const tokenEnd = text.indexOf('#', queueEnd + 1);
  const token = text.slice(queueEnd + 1, tokenEnd);
  const key = text.slice(tokenEnd + 1);
  if (queueEnd < 1 || key === '' || !TOKEN.test(token)) return undefined;
  return { queue: text.slice(0, queueEnd), token, key };
}
