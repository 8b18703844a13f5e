/** Reads a server's configuration: the durability it gives, its limits, warnings for operators. */

import { BusbarError, type Capabilities, type Warning } from '@busbar/api/transport';
import { firstWord } from '../errors.ts';
import type { Settings } from '../options.ts';
import type { Connection } from './connection.ts';

export interface ServerFacts {
  readonly durability: Capabilities['durability'];
  readonly maxBodyBytes: number;
  /** Settings under which messages can be lost. */
  readonly warnings: readonly Warning[];
}

const RANK = { none: 0, process: 1, power: 2 } as const;
/** Kept free in a bulk string for what accompanies a body. */
const RESERVED_BYTES = 1_048_576;

/** Reads the configuration. Throws UNSUPPORTED if the server does not show the durability of the options. */
export async function readServer(connection: Connection, settings: Settings): Promise<ServerFacts> {
  const config = await readConfig(connection);
  const isReplicated = connection.greeting.mode === 'cluster' || settings.master !== undefined;
  const warnings = [evictionRisk(config), crashRisk(config, isReplicated)].filter((risk) => risk !== undefined);
  const durability = warnings.length === 0 ? 'power' : 'none';
  const required = settings.durability ?? 'none';
  if (RANK[durability] < RANK[required]) {
    throw new BusbarError('UNSUPPORTED', `the server shows durability ${durability}, not ${required}`, {
      hint: warnings[0]?.hint ?? 'Set appendonly yes and appendfsync always, or lower the option durability.',
    });
  }
  const bulk = Number(config.get('proto-max-bulk-len') ?? 536_870_912);
  const maxBodyBytes = Math.max(524_288, Math.min(settings.maxBodyBytes, bulk - RESERVED_BYTES));
  return { durability, maxBodyBytes, warnings };
}

/** Throws UNAVAILABLE, naming the difference, if the server offers less than the transport has declared. */
export function checkNotLess(facts: ServerFacts, declared: Pick<Capabilities, 'durability' | 'maxBodyBytes'>): void {
  const missing: string[] = [];
  if (RANK[facts.durability] < RANK[declared.durability]) {
    missing.push(`durability ${declared.durability} (now ${facts.durability})`);
  }
  if (facts.maxBodyBytes < declared.maxBodyBytes) missing.push(`bodies of ${declared.maxBodyBytes} bytes`);
  if (missing.length === 0) return;
  throw new BusbarError('UNAVAILABLE', `the server offers less than when it was opened: ${missing.join(', ')}`, {
    hint: facts.warnings[0]?.hint ?? 'Restore the earlier settings of the server, or open a new transport.',
  });
}

/** Why a full server may delete messages. */
function evictionRisk(config: ReadonlyMap<string, string>): Warning | undefined {
  const policy = config.get('maxmemory-policy') ?? 'noeviction';
  if (Number(config.get('maxmemory') ?? 0) === 0 || policy === 'noeviction') return undefined;
  return {
    text: `the server deletes messages when its memory is full (maxmemory-policy ${policy})`,
    hint: 'Set maxmemory-policy to noeviction; a full server then refuses sends with BACKPRESSURE.',
  };
}

/** Why a crash or a failover may lose acknowledged writes. */
function crashRisk(config: ReadonlyMap<string, string>, isReplicated: boolean): Warning | undefined {
  const sync = config.get('appendfsync');
  if (isReplicated) {
    return {
      text: 'a failover may lose the last acknowledged writes, since replication is asynchronous',
      hint: 'Set min-replicas-to-write to lower the risk.',
    };
  }
  if (config.has('appendonly') && config.get('appendonly') !== 'yes') {
    return { text: 'the server loses its data when it ends (appendonly is not yes)', hint: SYNC_ALWAYS };
  }
  if (sync === undefined) {
    return {
      text: 'this user may not read the appendfsync setting, so no durability is declared',
      hint: 'Grant the ACL user +config|get.',
    };
  }
  if (sync === 'always') return undefined;
  return { text: `a crash may lose acknowledged writes (appendfsync is ${sync})`, hint: SYNC_ALWAYS };
}

const SYNC_ALWAYS = 'Set appendonly yes and appendfsync always.';

const NAMES = ['appendonly', 'appendfsync', 'maxmemory', 'maxmemory-policy', 'proto-max-bulk-len'];

/** From CONFIG GET if this user may call it, else from INFO. */
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

/** Managed servers have no CONFIG command, so an unknown command counts as denied. */
function unlessDenied(error: unknown): undefined {
  const word = firstWord(error);
  if (word === 'NOPERM' || word === 'ERR') return undefined;
  throw error;
}
