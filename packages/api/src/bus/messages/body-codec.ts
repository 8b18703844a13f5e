/** Encodes and decodes bodies of messages by content type. */

import { BusbarError, bodyTooLarge, invalid, isBusbarError } from '../../contract/errors.ts';
import { isA, textOf } from '../../contract/thrown.ts';
import { checkArray, describe } from '../../contract/validation.ts';
import { type Codec, jsonCodec } from './codec.ts';
import { isExactJson } from './json-loss.ts';

/** A body as bytes. */
export interface EncodedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** The content type of plain bytes. */
export const OCTETS = 'application/octet-stream';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** What a {@link BodyCodec} is made of. */
export interface BodyCodecOptions {
  readonly codec?: Codec | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  /** The largest body. Default: no limit. */
  readonly maxBytes?: number;
}

/** The codecs of one bus. It encodes with the first and decodes with each by its content type. */
export class BodyCodec {
  readonly #writer: Codec;
  readonly #maxBytes: number;
  readonly #readers = new Map<string, Codec>();

  constructor({ codec = jsonCodec, codecs = [], maxBytes = Number.POSITIVE_INFINITY }: BodyCodecOptions = {}) {
    checkArray(codecs, 'codecs', 100);
    this.#maxBytes = maxBytes;
    for (const one of [codec, ...codecs, jsonCodec]) {
      checkCodec(one);
      const name = mediaType(one.contentType);
      if (!this.#readers.has(name)) this.#readers.set(name, one);
    }
    this.#writer = codec;
  }

  /**
   * Encodes a value; a Uint8Array stays as it is. Throws INVALID_ARGUMENT for a value that the codec cannot encode, and
   * PAYLOAD_TOO_LARGE for a body over the limit of the transport.
   */
  encode(value: unknown): EncodedBody {
    const encoded = this.#encode(value);
    const { byteLength } = encoded.body;
    if (byteLength > this.#maxBytes) throw bodyTooLarge(byteLength, this.#maxBytes);
    return encoded;
  }

  #encode(value: unknown): EncodedBody {
    try {
      if (value instanceof Uint8Array) return { body: value, contentType: OCTETS };
      const { contentType } = this.#writer;
      const body: unknown = this.#writer.encode(value);
      if (body instanceof Uint8Array) return { body, contentType };
      throw new TypeError(`it returned ${describe(body)}, not a Uint8Array`);
    } catch (error) {
      if (isBusbarError(error)) throw error;
      throw badBody(`the codec ${this.#writer.contentType} cannot encode the body`, error);
    }
  }

  /** `value` as a receiver gets it; `value` itself if that is equal. Throws INVALID_ARGUMENT like {@link BodyCodec.encode}. */
  asReceived(value: unknown): unknown {
    if (isA(value, Uint8Array) || (this.#writer === jsonCodec && isExactJson(value))) return value;
    return this.decode(this.encode(value));
  }

  /** Decodes a body: text for `text/…`, bytes for an unknown content type. Throws INVALID_ARGUMENT. */
  decode({ body, contentType }: EncodedBody): unknown {
    const exact = this.#readers.get(contentType);
    const name = exact === undefined ? mediaType(contentType) : contentType;
    const codec = exact ?? this.#readers.get(name) ?? (name.endsWith('+json') ? jsonCodec : undefined);
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
    hint: textOf(cause),
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
