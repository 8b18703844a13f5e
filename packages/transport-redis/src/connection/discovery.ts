/** Finding the one server that holds a namespace: at an address, through sentinels, or in a cluster. */

import { BusbarError } from '@busbar/api/transport';
import { firstWord } from '../errors.ts';
import type { Address, Settings } from '../options.ts';
import { type Argument, Connection, ConnectionLost, type Credentials } from './connection.ts';

const MAX_HOPS = 8;

/**
 * Connects to the server that holds `key`. All keys of a namespace share one slot, so that a cluster has one server for it:
 * whichever node is asked says which.
 */
export async function dial(settings: Settings, key: string): Promise<Connection> {
  let failure: unknown;
  for (const address of await candidates(settings)) {
    try {
      return await follow(address, settings, key);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function candidates(settings: Settings): Promise<readonly (Address | string)[]> {
  if (settings.socket !== undefined) return [settings.socket];
  if (settings.master === undefined) return settings.servers;
  return [await askSentinels(settings, settings.master)];
}

/** Goes from node to node until one holds the key. */
async function follow(start: Address | string, settings: Settings, key: string): Promise<Connection> {
  let address = start;
  for (let hop = 0; hop < MAX_HOPS; hop += 1) {
    const connection = await Connection.open(address, settings, serverCredentials(settings));
    try {
      checkVersion(connection);
      if (connection.greeting.mode !== 'cluster' && connection.greeting.role !== 'master') throw replica();
      await connection.send('HGET', [key, 'store']);
      return connection;
    } catch (error) {
      connection.close();
      const moved = readMoved(error, address);
      if (moved === undefined) throw error;
      address = moved;
    }
  }
  throw new ConnectionLost('the nodes of the cluster do not agree who holds this namespace');
}

async function askSentinels(settings: Settings, master: string): Promise<Address> {
  const who: Credentials = { user: settings.sentinelUser, password: settings.sentinelPassword, database: 0 };
  let failure: unknown = new ConnectionLost('no sentinel answers');
  for (const server of settings.servers) {
    try {
      const sentinel = await Connection.open(server, settings, who);
      const found = await askSentinel(sentinel, master).finally(() => sentinel.close());
      if (found !== undefined) return found;
      failure = new BusbarError('NOT_FOUND', 'the sentinels know no master of this name', {
        hint: 'Look at master; `SENTINEL MASTERS` lists what they watch.',
      });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function askSentinel(sentinel: Connection, master: string): Promise<Address | undefined> {
  const args: Argument[] = ['get-master-addr-by-name', master];
  const reply = (await sentinel.send('SENTINEL', args)) as unknown[] | null;
  return reply === null ? undefined : { host: String(reply[0]), port: Number(reply[1]) };
}

function serverCredentials({ user, password, database }: Settings): Credentials {
  return { user, password, database };
}

/** Scripts use what came with 7.0: sharded channels, ZADD in scripts with LT, TIME as it is. */
function checkVersion({ greeting: { server, version } }: Connection): void {
  if (Number(version.split('.')[0]) >= 7) return;
  throw new BusbarError('UNSUPPORTED', `${server} ${version} is too old`, { hint: 'Busbar needs Redis 7.0 or newer.' });
}

function replica(): Error {
  return Object.assign(new Error('READONLY this server is a replica'), { name: 'ReplyError' });
}

function readMoved(error: unknown, from: Address | string): Address | undefined {
  if (firstWord(error) !== 'MOVED') return undefined;
  const [, host = '', port = ''] = /^MOVED \d+ (.*):(\d+)$/.exec((error as Error).message) ?? [];
  if (port === '') return undefined;
  return { host: host === '' && typeof from !== 'string' ? from.host : host, port: Number(port) };
}
