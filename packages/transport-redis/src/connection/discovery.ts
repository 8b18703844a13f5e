/** Finds the server that holds a namespace: at an address, through sentinels, or in a cluster. */

import type { ServerAddress } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { firstWord } from '../errors.ts';
import type { Settings } from '../options.ts';
import { Connection, ConnectionLost, type Credentials } from './connection.ts';
import { readServer, type ServerFacts } from './server.ts';
import { checkFormat } from './store-header.ts';

const MAX_REDIRECTS = 8;

/** The prefix of all keys of a namespace. Its hash tag puts them on one node of a cluster. */
export function prefixOf({ ns }: Pick<Settings, 'ns'>): string {
  return `{busbar:${ns}}:`;
}

/** A connection to the server of the namespace. */
export interface DiscoveredServer {
  readonly connection: Connection;
  readonly facts: ServerFacts;
}

/** Connects to the server that holds the namespace, and checks its version, its role, the store format and durability. */
export async function discover(settings: Settings): Promise<DiscoveredServer> {
  let failure: unknown;
  for (const address of await candidates(settings)) {
    try {
      return await followRedirects(address, settings);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function candidates(settings: Settings): Promise<readonly (ServerAddress | string)[]> {
  if (settings.socket !== undefined) return [settings.socket];
  if (settings.master === undefined) return settings.servers;
  return [await findMaster(settings, settings.master)];
}

/** Any node of a cluster redirects to the one that holds the slot of the namespace. */
async function followRedirects(start: ServerAddress | string, settings: Settings): Promise<DiscoveredServer> {
  const { user, password, database } = settings;
  let address = start;
  for (let hop = 0; hop < MAX_REDIRECTS; hop += 1) {
    const connection = await Connection.open(address, settings, { user, password, database });
    try {
      checkVersion(connection);
      if (connection.greeting.mode !== 'cluster' && connection.greeting.role !== 'master') throw replica();
      await checkFormat(connection, prefixOf(settings), settings);
      return { connection, facts: await readServer(connection, settings) };
    } catch (error) {
      connection.close();
      const redirect = readRedirect(error, address);
      if (redirect === undefined) throw error;
      address = redirect;
    }
  }
  throw new ConnectionLost('the nodes of the cluster disagree about the owner of this namespace');
}

async function findMaster(settings: Settings, master: string): Promise<ServerAddress> {
  const credentials = { user: settings.sentinelUser, password: settings.sentinelPassword, database: 0 };
  let failure: unknown = new ConnectionLost('no sentinel answers');
  for (const server of settings.servers) {
    try {
      const found = await askSentinel(server, settings, credentials, master);
      if (found !== undefined) return found;
      failure = new BusbarError('NOT_FOUND', 'the sentinels know no master of this name', {
        hint: 'Check the option master; `SENTINEL MASTERS` lists the known ones.',
      });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function askSentinel(
  server: ServerAddress,
  settings: Settings,
  credentials: Credentials,
  master: string,
): Promise<ServerAddress | undefined> {
  const sentinel = await Connection.open(server, settings, credentials);
  try {
    const reply = (await sentinel.send('SENTINEL', ['get-master-addr-by-name', master])) as unknown[] | null;
    return reply === null ? undefined : { host: String(reply[0]), port: Number(reply[1]) };
  } finally {
    sentinel.close();
  }
}

/** The scripts need sharded channels, the flags of scripts and TIME in scripts that write. */
function checkVersion({ greeting: { server, version } }: Connection): void {
  if (Number(version.split('.')[0]) >= 7) return;
  throw new BusbarError('UNSUPPORTED', `${server} ${version} is too old`, { hint: 'Busbar needs Redis 7.0 or newer.' });
}

function replica(): Error {
  return Object.assign(new Error('READONLY this server is a replica'), { name: 'ReplyError' });
}

function readRedirect(error: unknown, from: ServerAddress | string): ServerAddress | undefined {
  if (firstWord(error) !== 'MOVED') return undefined;
  const [, host = '', port = ''] = /^MOVED \d+ (.*):(\d+)$/.exec((error as Error).message) ?? [];
  if (port === '') return undefined;
  return { host: host === '' && typeof from !== 'string' ? from.host : host, port: Number(port) };
}
