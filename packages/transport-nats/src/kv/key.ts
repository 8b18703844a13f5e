/** How keys of kv look as subjects: cut at `/`, so that a prefix is a filter; the rest escaped, so that `nats kv` shows them. */

import { escapeToken } from '../connection/names.ts';

const EMPTY = '=';

/** Tokens of letters, digits, `_`, `-` and `=XX`; a key and no other has this path. */
export function toPath(key: string): string {
  return key.split('/').map(toToken).join('.');
}

export function fromPath(path: string): string {
  return path.split('.').map(fromToken).join('/');
}

/** The filter that takes all keys with this prefix, and maybe others. */
export function toFilter(prefix: string): string {
  const tokens = prefix.split('/').slice(0, -1).map(toToken);
  return [...tokens, '>'].join('.');
}

function toToken(part: string): string {
  return part === '' ? EMPTY : escapeToken(part);
}

function fromToken(token: string): string {
  if (token === EMPTY) return '';
  if (!token.includes('=')) return token;
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    if (token[at] === '=') {
      bytes.push(Number.parseInt(token.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(token.charCodeAt(at));
  }
  return Buffer.from(bytes).toString();
}
