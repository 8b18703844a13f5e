/** Encodes and decodes bodies of messages by content type. */

import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import { checkArray, describe } from '../../contract/validation.ts';
import { type Codec, jsonCodec } from './codec.ts';

/** A body as bytes. */
export interface EncodedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** The content type of plain bytes. */
export const OCTETS = 'application/octet-stream';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The codecs of one bus. It encodes with the first and decodes with each by its content type. */
export class BodyCodec {
  readonly #writer: Codec;
  readonly #readers = new Map<string, Codec>();

  constructor(codec: Codec = jsonCodec, more: readonly Codec[] = []) {
    checkArray(more, 'codecs', 100);
    for (const one of [codec, ...more, jsonCodec]) {
      checkCodec(one);
      const name = mediaType(one.contentType);
      if (!this.#readers.has(name)) this.#readers.set(name, one);
    }
    this.#writer = codec;
  }

  /** Encodes a value; a Uint8Array stays as it is. Throws INVALID_ARGUMENT for a value that the codec cannot encode. */
  encode(value: unknown): EncodedBody {
    if (value instanceof Uint8Array) return { body: value, contentType: OCTETS };
    try {
      return { body: this.#writer.encode(value), contentType: this.#writer.contentType };
    } catch (error) {
      if (isBusbarError(error)) throw error;
      throw badBody(`the codec ${this.#writer.contentType} cannot encode the body`, error);
    }
  }

  /** Decodes a body: text for `text/…`, bytes for an unknown content type. Throws INVALID_ARGUMENT. */
  decode({ body, contentType }: EncodedBody): unknown {
    const name = mediaType(contentType);
    const codec = this.#readers.get(name) ?? (name.endsWith('+json') ? jsonCodec : undefined);
    try {
      if (codec !== undefined) return codec.decode(body);
      return name.startsWith('text/') ? decoder.decode(body) : body;
    } catch (error) {
      throw badBody(`the body is not ${name}`, error);
    }
  }
}

function badBody(text: string, cause: unknown): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', text, {
    hint: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
}

function checkCodec(codec: Codec): void {
  const legal =
    typeof codec === 'object' &&
    codec !== null &&
    typeof codec.contentType === 'string' &&
    typeof codec.encode === 'function' &&
    typeof codec.decode === 'function';
  if (legal) return;
  throw invalid(`illegal codec: ${describe(codec)}`, 'A codec has contentType, encode and decode.');
}

/** The content type without its parameters. */
function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
