/** Scripts of the store header: its format and the incarnation of the namespace. */

import { ALLOW_OOM, Script } from './script.ts';

/** ARGV: format, a new incarnation. Writes what is missing of the header. Returns its format and incarnation. */
export const OPEN_STORE: Script = new Script(
  ALLOW_OOM,
  `
call('HSETNX', ns .. 'header', 'format', ARGV[1])
call('HSETNX', ns .. 'header', 'incarnation', ARGV[2])
return call('HMGET', ns .. 'header', 'format', 'incarnation')
`,
);
