/** The stream of a namespace on the server. */

import { BusbarError, isBusbarError } from '@busbar/api/transport';
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { toNatsError } from './errors.ts';
import type { Names } from './names.ts';
import type { Settings } from './options.ts';
import { FORM, tooNew } from './record.ts';

/** What a stream is. */
export interface StreamFacts {
  /** Tells this stream from any that has had, or will have, its name. */
  readonly storeId: string;
  readonly storage: 'file' | 'memory';
  readonly replicas: number;
  readonly lastSequence: number;
}

/** What says that a snapshot is whole, at `markAt` in the stream: it has all records up to `upTo`. */
export interface Mark {
  readonly upTo: number;
  /** Where its pieces are; those of other snapshots may lie in between. A large piece takes several places. */
  readonly pieces: readonly (readonly number[])[];
  readonly markAt: number;
}

const NOT_FOUND = 10_059;
const NO_MESSAGE = 10_037;
const NAME_IN_USE = 10_058;

/** Makes the stream where it is not there, and checks that it is as the settings say. */
export async function ensureStream(manager: JetStreamManager, names: Names, settings: Settings): Promise<StreamFacts> {
  try {
    const facts = toFacts((await findStream(manager, names)) ?? (await makeStream(manager, names, settings)));
    checkFacts(facts, settings);
    return facts;
  } catch (error) {
    throw toNatsError(error);
  }
}

/** Where the newest whole snapshot is. */
export async function newestMark(manager: JetStreamManager, names: Names): Promise<Mark | undefined> {
  try {
    const found = await manager.streams.getMessage(names.stream, { last_by_subj: names.mark });
    return found === null ? undefined : { ...parseMark(found.string()), markAt: found.seq };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NO_MESSAGE) return undefined;
    throw toNatsError(error);
  }
}

function parseMark(text: string): Omit<Mark, 'markAt'> {
  try {
    const { v, upTo, pieces } = JSON.parse(text);
    if (v > FORM) throw tooNew(v);
    if (Number.isSafeInteger(upTo) && Array.isArray(pieces)) return { upTo, pieces };
  } catch (error) {
    if (isBusbarError(error)) throw error;
  }
  throw new BusbarError('INTERNAL', 'the stream of this namespace has a mark that Busbar did not write', {
    hint: 'Delete that message with nats stream rmm, and let only Busbar publish to the subjects of the stream.',
  });
}

async function findStream(manager: JetStreamManager, { stream }: Names): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

async function makeStream(
  manager: JetStreamManager,
  names: Names,
  { storage, replicas }: Settings,
): Promise<StreamInfo> {
  const { stream, log, events, piece, mark } = names;
  try {
    return await manager.streams.add({
      name: stream,
      subjects: [log, events, piece, mark],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      storage: storage === 'memory' ? StorageType.Memory : StorageType.File,
      num_replicas: replicas ?? 1,
      duplicate_window: 0,
    });
  } catch (error) {
    // Another client made it meanwhile, with other options.
    const isThere = error instanceof JetStreamApiError && error.code === NAME_IN_USE;
    const found = isThere ? await findStream(manager, names) : undefined;
    if (found !== undefined) return found;
    throw error;
  }
}

function toFacts({ config, created, state }: StreamInfo): StreamFacts {
  const at = BigInt(Date.parse(created)) * 1_000_000n + BigInt(created.match(/\.(\d+)/)?.[1]?.padEnd(9, '0') ?? 0);
  return {
    storeId: at.toString(36),
    storage: config.storage === StorageType.Memory ? 'memory' : 'file',
    replicas: config.num_replicas,
    lastSequence: state.last_seq,
  };
}

function checkFacts({ storage, replicas }: StreamFacts, wanted: Settings): void {
  const differs = (name: string, is: unknown, asked: unknown): BusbarError =>
    new BusbarError('CONFLICT', `the stream of this namespace has ${name} ${is}, not ${asked}`, {
      hint: `Leave ${name} out, choose another ns, or change the stream with the tools of NATS.`,
    });
  if (wanted.storage !== undefined && wanted.storage !== storage) throw differs('storage', storage, wanted.storage);
  if (wanted.replicas !== undefined && wanted.replicas !== replicas)
    throw differs('replicas', replicas, wanted.replicas);
}
