/** The scripts that the server runs: each atomic, each bounded in what it touches, loaded once a connection. */

import { createHash } from 'node:crypto';
import * as admin from './admin.ts';
import * as entries from './kv.ts';
import { GROUND } from './prelude.ts';
import { QUEUE } from './queue-state.ts';
import * as work from './queues.ts';
import * as topics from './topics.ts';

/** A script, known to a server by its hash once it was run there. */
export class Script {
  readonly source: string;
  readonly sha: string;

  /** `flags` are those of the server: what takes nothing in runs also when its memory is used up. */
  constructor(flags: typeof TAKES | typeof FREES, ...parts: readonly string[]) {
    const head = flags === 'allow-oom' ? '#!lua flags=allow-oom' : '#!lua';
    this.source = [head, GROUND, ...parts].join('\n');
    this.sha = createHash('sha1').update(this.source).digest('hex');
  }
}

const TAKES = 'deny-oom';
const FREES = 'allow-oom';
const { LOG } = topics;
const { ENTRIES } = entries;

/** What can be asked of the server. */
export type ScriptName =
  | 'send'
  | 'claim'
  | 'undoClaim'
  | 'settle'
  | 'configure'
  | 'publish'
  | 'pass'
  | 'place'
  | 'read'
  | 'bindings'
  | 'bind'
  | 'importBinding'
  | 'unbind'
  | 'copies'
  | 'copy'
  | 'get'
  | 'put'
  | 'touch'
  | 'delete'
  | 'list'
  | 'gone'
  | 'tick'
  | 'names'
  | 'info'
  | 'lookUp'
  | 'browse'
  | 'purge'
  | 'redrive'
  | 'pending'
  | 'deleteQueue'
  | 'clear'
  | 'tidy'
  | 'importQueue'
  | 'importMessages'
  | 'importIds'
  | 'importEvent'
  | 'importEntry'
  | 'importRevision'
  | 'topics'
  | 'eventKeys'
  | 'knownIds';

/** Every script, by what it does. */
export const SCRIPTS: Readonly<Record<ScriptName, Script>> = {
  send: new Script(TAKES, QUEUE, work.SEND),
  claim: new Script(FREES, QUEUE, work.CLAIM),
  undoClaim: new Script(FREES, QUEUE, work.UNDO_CLAIM),
  settle: new Script(FREES, QUEUE, work.SETTLE),
  configure: new Script(TAKES, QUEUE, admin.CONFIGURE),
  publish: new Script(TAKES, QUEUE, LOG, topics.PUBLISH),
  pass: new Script(FREES, topics.PASS),
  place: new Script(FREES, LOG, topics.PLACE),
  read: new Script(FREES, LOG, topics.READ),
  bindings: new Script(FREES, topics.BINDINGS),
  bind: new Script(TAKES, QUEUE, LOG, topics.BIND),
  importBinding: new Script(TAKES, QUEUE, LOG, topics.IMPORT_BINDING),
  unbind: new Script(FREES, QUEUE, topics.UNBIND),
  copies: new Script(FREES, topics.COPIES),
  copy: new Script(TAKES, QUEUE, LOG, topics.COPY),
  get: new Script(FREES, ENTRIES, entries.GET),
  put: new Script(TAKES, ENTRIES, entries.PUT),
  touch: new Script(FREES, ENTRIES, entries.TOUCH),
  delete: new Script(FREES, ENTRIES, entries.DELETE),
  list: new Script(FREES, ENTRIES, entries.LIST),
  gone: new Script(FREES, entries.GONE),
  tick: new Script(FREES, QUEUE, LOG, ENTRIES, admin.TICK),
  names: new Script(FREES, admin.NAMES),
  info: new Script(FREES, QUEUE, admin.INFO),
  lookUp: new Script(FREES, QUEUE, admin.LOOK_UP),
  browse: new Script(FREES, QUEUE, admin.BROWSE),
  purge: new Script(FREES, QUEUE, admin.PURGE),
  redrive: new Script(FREES, QUEUE, admin.REDRIVE),
  pending: new Script(FREES, QUEUE, admin.PENDING),
  deleteQueue: new Script(FREES, QUEUE, admin.DELETE_QUEUE),
  clear: new Script(FREES, QUEUE, LOG, ENTRIES, admin.CLEAR),
  tidy: new Script(FREES, admin.TIDY),
  importQueue: new Script(TAKES, QUEUE, admin.IMPORT_QUEUE),
  importMessages: new Script(TAKES, QUEUE, admin.IMPORT_MESSAGES),
  importIds: new Script(TAKES, QUEUE, admin.IMPORT_IDS),
  importEvent: new Script(TAKES, LOG, admin.IMPORT_EVENT),
  importEntry: new Script(TAKES, ENTRIES, admin.IMPORT_ENTRY),
  importRevision: new Script(FREES, admin.IMPORT_REVISION),
  topics: new Script(FREES, admin.TOPICS),
  eventKeys: new Script(FREES, admin.EVENT_KEYS),
  knownIds: new Script(FREES, admin.KNOWN_IDS),
};
