/** Reads a server's configuration: whether it is new enough, the durability it gives, warnings for operators. */

import { BusbarError, type Warning } from '@busbar/api/transport';
import { HEADER_ROOM } from '../capabilities.ts';
import { noJetStream } from '../errors.ts';
import type { Settings } from '../options.ts';
import type { Connection } from './connection.ts';
import type { Permissions } from './permissions.ts';
import type { ServerRequests } from './server-requests.ts';
import { NS, type StreamFacts } from './streams.ts';

const MIN_BODY = 524_288;
const MANY_CONSUMERS = 10_000;
const MIN_VERSION = [2, 12] as const;
const MONITOR_MS = 2_000;
const VARZ = '$SYS.REQ.SERVER.PING.VARZ';

/** How often a server syncs to disk in milliseconds; 0 is after each write. */
export type SyncInterval = number | 'unknown';

/** What the monitoring of a server shows of its configuration. */
interface Varz {
  readonly server_id?: string;
  readonly cluster?: { readonly name?: string };
  readonly jetstream?: { readonly config?: { readonly sync_interval?: number; readonly sync_always?: boolean } };
}

/** Throws UNSUPPORTED for a server that Busbar cannot use. */
export function checkServer({ client: { info } }: Connection): void {
  const {
    version = '0',
    max_payload = 0,
    jetstream,
  } = (info ?? {}) as { jetstream?: boolean } & NonNullable<typeof info>;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])) {
    throw new BusbarError('UNSUPPORTED', `the server is nats-server ${version}, which is too old`, {
      hint: 'Busbar needs 2.12 or newer: update the server.',
    });
  }
  if (max_payload - HEADER_ROOM < MIN_BODY) {
    throw new BusbarError('UNSUPPORTED', `the server takes no more than ${max_payload} bytes in a message`, {
      hint: `Set max_payload to ${MIN_BODY + HEADER_ROOM} or more; its default is 1MB.`,
    });
  }
  if (jetstream !== true) throw noJetStream();
}

/** Throws UNSUPPORTED if the streams do not give the durability of the options. */
export function checkDurability({ storage, isAsync }: StreamFacts, { durability }: Settings): void {
  if (durability === 'power') {
    throw new BusbarError('UNSUPPORTED', 'NATS does not show to every client whether it syncs before it answers', {
      hint: 'By default it syncs every two minutes. Leave durability out, or use a backend that can show it.',
    });
  }
  if (durability === 'process' && (storage === 'memory' || isAsync)) {
    throw new BusbarError('UNSUPPORTED', 'a stream in memory does not survive its server', {
      hint: 'Use storage=file without persist_mode async, or leave durability out.',
    });
  }
}

/** Asks the monitoring port of the options, else the system account. Most servers answer neither. */
export async function readSyncInterval(
  requests: ServerRequests,
  permissions: Permissions,
  { monitor }: Settings,
): Promise<SyncInterval> {
  const varz = monitor === undefined ? await askSystem(requests, permissions) : await askMonitor(requests, monitor);
  const { sync_interval, sync_always } = varz?.jetstream?.config ?? {};
  if (sync_always === true) return 0;
  return sync_interval === undefined ? 'unknown' : sync_interval / NS;
}

/** The system account answers an account that imports this service. */
async function askSystem(requests: ServerRequests, permissions: Permissions): Promise<Varz | undefined> {
  if (!permissions.mayPublish(VARZ)) return undefined;
  return (await requests.ask<{ readonly data?: Varz }>(VARZ))?.data;
}

async function askMonitor({ connection }: ServerRequests, monitor: string): Promise<Varz | undefined> {
  try {
    const response = await fetch(new URL('varz', `${monitor.replace(/\/+$/, '')}/`), {
      signal: AbortSignal.timeout(MONITOR_MS),
    });
    const varz = (await response.json()) as Varz;
    const { server_id, cluster } = connection.client.info ?? {};
    const isSame = varz.server_id === server_id || (cluster !== undefined && varz.cluster?.name === cluster);
    return isSame ? varz : undefined;
  } catch {
    return undefined;
  }
}

/** Settings under which messages can be lost or refused. */
export function warningsOf({ storage, isAsync, maxConsumers }: StreamFacts, sync: SyncInterval): Warning[] {
  const warnings = toSyncWarnings(sync);
  if (storage === 'memory') {
    warnings.push({
      text: 'A stream is in memory: it is lost when the server stops.',
      hint: 'Delete the streams and open again with storage file.',
    });
  }
  if (isAsync) {
    warnings.push({
      text: 'A stream has persist_mode async: the server answers before it writes.',
      hint: 'Delete the streams and open again.',
    });
  }
  if (maxConsumers < MANY_CONSUMERS) {
    warnings.push({
      text: `The stream of queues allows ${maxConsumers} consumers (max_consumers); each queue needs at least one.`,
      hint: 'Raise it with nats stream edit.',
    });
  }
  return warnings;
}

function toSyncWarnings(sync: SyncInterval): Warning[] {
  if (sync === 0) return [];
  if (sync === 'unknown') {
    return [
      {
        text: 'It is unknown how often the server syncs to disk (sync_interval).',
        hint: 'Look at its configuration, or name its monitoring port: monitor=http://HOST:8222.',
      },
    ];
  }
  return [
    {
      text: `The server syncs to disk every ${sync / 1_000} s (sync_interval): a loss of power may lose what it stored since.`,
      hint: 'Set sync_interval to always in its jetstream configuration where that is too much.',
    },
  ];
}
