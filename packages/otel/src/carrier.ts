/** Passes contexts on in the headers of messages. */

import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api';

const NAME = /^[a-z0-9-]{1,64}$/;
const VALUE = /^[\x20-\x7e]{1,8192}$/;

/** Writes headers. One that a message cannot have is left out, because the message is worth more. */
export const setter: TextMapSetter<Record<string, string>> = {
  set(headers, key, value) {
    const name = key.toLowerCase();
    if (NAME.test(name) && VALUE.test(value)) headers[name] = value;
  },
};

/** Reads headers, whose names are in lower case. */
export const getter: TextMapGetter<Readonly<Record<string, string>>> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, key) => headers[key.toLowerCase()],
};
