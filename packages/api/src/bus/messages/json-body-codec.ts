/** Encodes and decodes bodies of messages as JSON, for a client without codecs of its own. */

import { bodyTooLarge } from '../../contract/errors.ts';
import { decodeText, type EncodedBody, mediaType, OCTETS, type PlainBodyCodec, refuseBody } from './body-codec.ts';
import { jsonCodec } from './codec.ts';

/** What a `BodyCodec` does without other codecs: it needs no promises, and is small. */
export class JsonBodyCodec implements PlainBodyCodec {
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  encode(value: unknown): EncodedBody {
    const isBytes = value instanceof Uint8Array;
    const body = isBytes ? value : jsonCodec.encode(value);
    if (body.byteLength > this.#maxBytes) throw bodyTooLarge(body.byteLength, this.#maxBytes);
    return { body, contentType: isBytes ? OCTETS : jsonCodec.contentType };
  }

  decode({ body, contentType }: EncodedBody): unknown {
    const name = mediaType(contentType);
    try {
      if (name === jsonCodec.contentType || name.endsWith('+json')) return jsonCodec.decode(body);
      return name.startsWith('text/') ? decodeText(body) : body;
    } catch (error) {
      return refuseBody(name, error);
    }
  }
}
