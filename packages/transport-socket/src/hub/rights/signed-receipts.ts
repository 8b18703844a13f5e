/** Receipts for the clients of one agent: signed, so that a client settles only what its agent received. */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { BusbarError } from '@busbar/api/transport';

const SIGNATURE_BYTES = 15;
const MAX_RECEIPT = 512;
const MAX_LONG = 10_000;
const SIGNED = /^(.*)~([A-Za-z0-9_-]{20})$/s;

/** Signs the receipts of one agent. */
export class SignedReceipts {
  readonly #secret: Buffer;
  readonly #agent: string;
  /** Receipts that would be too long with a signature, by their signatures. */
  readonly #long = new Map<string, string>();

  constructor(secret: Buffer, agent: string) {
    this.#secret = secret;
    this.#agent = agent;
  }

  sign(receipt: string): string {
    const signature = this.#signature(receipt).toString('base64url');
    if (receipt.length + signature.length < MAX_RECEIPT) return `${receipt}~${signature}`;
    this.#long.set(signature, receipt);
    if (this.#long.size > MAX_LONG) this.#long.delete(this.#long.keys().next().value ?? '');
    return `~${signature}`;
  }

  /** The receipt of the store. Throws PERMISSION_DENIED for a receipt that this agent did not get. */
  open(signed: unknown): string {
    const [, text, signature = ''] = SIGNED.exec(String(signed)) ?? [];
    const receipt = text === '' ? this.#long.get(signature) : text;
    const given = Buffer.from(signature, 'base64url');
    if (receipt !== undefined && timingSafeEqual(given, this.#signature(receipt))) return receipt;
    throw new BusbarError('PERMISSION_DENIED', 'the token of this agent does not allow it to settle this delivery', {
      hint: 'Settle with the receipt of a delivery that this agent received.',
    });
  }

  #signature(receipt: string): Buffer {
    return createHmac('sha256', this.#secret)
      .update(`${this.#agent}\n${receipt}`)
      .digest()
      .subarray(0, SIGNATURE_BYTES);
  }
}
