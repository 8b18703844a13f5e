/** Environment variables in the values of `busbar.config.json`, such as `redis://:${REDIS_PASSWORD}@host`. */

import { invalid, quote } from '@busbar/api/transport';
import { composedScheme } from '../composed-url.ts';

const VARIABLE = /\$\{([^}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A parameter of a composed bus that has a variable and more. */
const MIXED = /[?&][^=&]*=(?!\$\{[^}]*\}(?:&|$))[^&]*\$\{/;

/**
 * `text` with the values of its variables. A value that is a part of a URL is escaped; one that is the whole text is taken as
 * it is. Throws INVALID_ARGUMENT for a variable that is not set. No error shows a value.
 */
export function fillVariables(text: string, what: string, env: Readonly<Record<string, string | undefined>>): string {
  if (composedScheme(text) !== undefined && MIXED.test(text)) {
    const hint = 'Give the inner bus a name in buses, put the variable there, and use the name here.';
    throw invalid(`${what} has a variable inside an inner URL`, hint);
  }
  return text.replace(VARIABLE, (whole, name: string) => {
    if (!NAME.test(name)) throw invalid(`${what} has an illegal variable ${quote(whole)}`, `Write \${NAME}.`);
    const value = env[name];
    if (value === undefined || value === '') {
      throw invalid(`${what} needs the environment variable ${name}, which is not set`, `Set ${name}.`);
    }
    return whole === text ? value : encodeURIComponent(value);
  });
}
