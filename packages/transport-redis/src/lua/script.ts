/** A Lua script as the server runs it. Each is atomic and bounded in what it touches. */

import { createHash } from 'node:crypto';
import { PRELUDE } from './prelude.ts';

/** For scripts that store data: the server refuses them when its memory is full. */
export const DENY_OOM = '#!lua';
/** For scripts that free memory or only read: they run also when the server's memory is full. */
export const ALLOW_OOM = '#!lua flags=allow-oom';

/** A script. A server that has run the source also accepts the hash. */
export class Script {
  readonly source: string;
  readonly sha: string;

  constructor(flags: typeof DENY_OOM | typeof ALLOW_OOM, ...parts: readonly string[]) {
    this.source = [flags, PRELUDE, ...parts].join('\n');
    this.sha = createHash('sha1').update(this.source).digest('hex');
  }
}
