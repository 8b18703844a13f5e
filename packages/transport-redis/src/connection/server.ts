/** What a server is set to: what it declares follows from it, and what an operator should know. */

import { BusbarError, type Capabilities, type Warning } from '@busbar/api/transport';
import { firstWord } from '../errors.ts';
import type { Settings } from '../options.ts';
import type { Connection } from './connection.ts';

/** What was read of a server. */
export interface ServerFacts {
  readonly durability: Capabilities['durability'];
  readonly maxBodyBytes: number;
  /** What may lose messages. */
  readonly notes: readonly Warning[];
}

const RANK = { none: 0, process: 1, power: 2 } as const;
/** A script sends a body together with others. */
const ROOM_BYTES = 1_048_576;

/** Reads the settings of the server. Throws UNSUPPORTED where it does not show the durability that was asked for. */
export async function readServer(connection: Connection, settings: Settings): Promise<ServerFacts> {
  const config = await readConfig(connection);
  const notes: Warning[] = [];
  const durability = judge(config, connection, settings, notes);
  const wanted = settings.durability ?? 'none';
  if (RANK[durability] < RANK[wanted]) {
    throw new BusbarError('UNSUPPORTED', `the server does not show the durability ${wanted}, only ${durability}`, {
      hint: notes[0]?.hint ?? 'Set appendonly yes and appendfsync always, or ask for less.',
    });
  }
  const bulk = Number(config.get('proto-max-bulk-len') ?? 536_870_912);
  const maxBodyBytes = Math.max(524_288, Math.min(settings.maxBodyBytes, bulk - ROOM_BYTES));
  return { durability, maxBodyBytes, notes };
}

/** Throws UNAVAILABLE, naming what was lost, where the server offers less than was declared. */
export function checkNotLess(facts: ServerFacts, declared: Pick<Capabilities, 'durability' | 'maxBodyBytes'>): void {
  const lost: string[] = [];
  if (RANK[facts.durability] < RANK[declared.durability]) {
    lost.push(`durability ${declared.durability} (it is ${facts.durability} now)`);
  }
  if (facts.maxBodyBytes < declared.maxBodyBytes) lost.push(`bodies of ${declared.maxBodyBytes} bytes`);
  if (lost.length === 0) return;
  throw new BusbarError('UNAVAILABLE', `the server offers less than when it was opened: ${lost.join(', ')}`, {
    hint: facts.notes[0]?.hint ?? 'Set the server as it was, or open the transport anew.',
  });
}

function judge(
  config: ReadonlyMap<string, string>,
  { greeting: { mode } }: Connection,
  { master }: Settings,
  notes: Warning[],
): Capabilities['durability'] {
  const memory = Number(config.get('maxmemory') ?? 0);
  const policy = config.get('maxmemory-policy') ?? 'noeviction';
  const evicts = memory > 0 && policy !== 'noeviction';
  if (evicts)
    notes.push(note(`the server drops messages when its memory is short (maxmemory-policy ${policy})`, NO_EVICTION));
  if (mode === 'cluster' || master !== undefined) {
    notes.push(note('a failover may lose the last acknowledged writes: replicas follow later', FEWER_LOSSES));
    return 'none';
  }
  const sync = config.get('appendfsync');
  if (config.has('appendonly') && config.get('appendonly') !== 'yes') {
    notes.push(note('what the server holds is lost when it ends (appendonly is not yes)', SYNC_ALWAYS));
    return 'none';
  }
  if (sync === undefined) {
    notes.push(note('this user may not read how often the server syncs, so no durability is declared', MAY_READ));
    return 'none';
  }
  if (sync !== 'always') {
    notes.push(note(`a crash may lose acknowledged writes (appendfsync is ${sync})`, SYNC_ALWAYS));
    return 'none';
  }
  return evicts ? 'none' : 'power';
}

const NO_EVICTION = 'Set maxmemory-policy to noeviction: sends are refused with BACKPRESSURE then.';
const FEWER_LOSSES = 'min-replicas-to-write makes fewer of them.';
const SYNC_ALWAYS = 'Set appendonly yes and appendfsync always.';
const MAY_READ = 'Allow it +config|get.';

function note(text: string, hint: string): Warning {
  return { text, hint };
}

const NAMES = ['appendonly', 'appendfsync', 'maxmemory', 'maxmemory-policy', 'proto-max-bulk-len'];

/** CONFIG GET where this user may, else what INFO has of it. */
async function readConfig(connection: Connection): Promise<ReadonlyMap<string, string>> {
  const reply = await connection.send('CONFIG', ['GET', ...NAMES]).catch(unlessDenied);
  if (Array.isArray(reply)) {
    return new Map(pairs(reply.map(String)));
  }
  const info = String((await connection.send('INFO', ['everything']).catch(unlessDenied)) ?? '');
  const config = new Map<string, string>();
  const read = (field: string): string | undefined => new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const log = read('aof_enabled');
  if (log !== undefined) config.set('appendonly', log === '1' ? 'yes' : 'no');
  for (const [name, field] of [
    ['maxmemory', 'maxmemory'],
    ['maxmemory-policy', 'maxmemory_policy'],
  ] as const) {
    const value = read(field);
    if (value !== undefined) config.set(name, value);
  }
  return config;
}

function* pairs(list: readonly string[]): Iterable<[string, string]> {
  for (let index = 0; index + 1 < list.length; index += 2) yield [list[index] ?? '', list[index + 1] ?? ''];
}

/** Managed servers have no CONFIG at all, under any user. */
function unlessDenied(error: unknown): undefined {
  const word = firstWord(error);
  if (word === 'NOPERM' || word === 'ERR') return undefined;
  throw error;
}
