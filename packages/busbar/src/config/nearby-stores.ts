/** SQLite stores near a folder: other processes of the project may use one of them by mistake. */

import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isBusbarError } from '@busbar/api/transport';
import type { SurveyedNamespace } from '@busbar/transport-sqlite';
import { storeFileOf, surveyFile } from '../schemes.ts';
import { readConfigFile } from './config-file.ts';
import { findRepository, type GitRepository, worktreesOf } from './git-repository.ts';
import { type Environment, homeFolder, locateBus } from './locate-bus.ts';
import { upwards } from './owned-files.ts';

/** A store near the selected one. */
export interface NearbyStore {
  readonly file: string;
  /** Messages that wait or are held. */
  readonly messages: number;
  readonly dead: number;
  /** The named namespaces with messages. */
  readonly namespaces: readonly string[];
}

/** Folders below the project that are looked into, on each of two levels: a monorepo has packages/NAME. */
const MAX_CHILDREN = 500;

/**
 * The stores near `cwd` that hold messages: in `.busbar` folders above, up to two levels below, in other worktrees and in the home folder, in
 * files `bus.db`, and in files that the config names. Without the file `selected`, and without what this user cannot read.
 */
export async function nearbyStores(cwd: string, env: Environment, selected?: string): Promise<NearbyStore[]> {
  const own = selected === undefined ? undefined : realPath(selected);
  const files = new Set([...filesIn(foldersNear(cwd, env)), ...(await configuredFiles(cwd, env))].map(realPath));
  const found = await Promise.all([...files].filter((file) => file !== own).map(survey));
  return found.flatMap((store) => store ?? []).sort((one, other) => (one.file < other.file ? -1 : 1));
}

/** The messages in one store; undefined if there are none. */
export async function survey(file: string): Promise<NearbyStore | undefined> {
  const namespaces = await surveyFile(file).catch((error: unknown) => {
    if (isBusbarError(error)) return undefined;
    throw error;
  });
  const used = (namespaces ?? []).filter(({ messages, dead }) => messages + dead > 0);
  if (used.length === 0) return undefined;
  const sum = (count: (one: SurveyedNamespace) => number): number => used.reduce((all, one) => all + count(one), 0);
  return {
    file,
    messages: sum(({ messages }) => messages),
    dead: sum(({ dead }) => dead),
    namespaces: used.flatMap(({ ns }) => (ns === '' ? [] : [ns])),
  };
}

function foldersNear(cwd: string, env: Environment): Set<string> {
  const repository = quietly(() => findRepository(cwd));
  const roots = repository === undefined ? [] : quietly(() => worktreesOf(repository as GitRepository));
  const top = repository?.root ?? cwd;
  const home = quietly(() => homeFolder(env, 'it'));
  return new Set([
    ...upwards(cwd),
    ...(roots ?? []),
    ...(repository === undefined ? [] : upwards(repository.shared)),
    ...foldersBelow(top),
    ...(home === undefined ? [] : [home]),
  ]);
}

function filesIn(folders: ReadonlySet<string>): string[] {
  return [...folders].flatMap((folder) => {
    const own = join(folder, '.busbar');
    const stores = (quietly(() => readdirSync(own)) ?? []).filter((name) => name.endsWith('.db'));
    return [join(folder, 'bus.db'), ...stores.map((name) => join(own, name))].filter((file) => existsSync(file));
  });
}

/** The files of the buses in the config, by which processes may have used them. */
async function configuredFiles(cwd: string, env: Environment): Promise<string[]> {
  const names = [...(quietly(() => readConfigFile(cwd))?.buses.keys() ?? [])];
  const files = names.map(async (name) => storeFileOf(locateBus(name, 'the config', env, cwd).url));
  const found = await Promise.allSettled(files);
  return found.flatMap((one) => (one.status === 'fulfilled' && one.value !== undefined ? [resolve(one.value)] : []));
}

function foldersBelow(top: string): string[] {
  const children = childrenOf(top);
  const grandchildren: string[] = [];
  for (const child of children) {
    if (grandchildren.length >= MAX_CHILDREN) break;
    // Tools keep many folders in theirs, such as .git.
    if (!basename(child).startsWith('.')) grandchildren.push(...childrenOf(child));
  }
  return [...children, ...grandchildren.slice(0, MAX_CHILDREN)];
}

function childrenOf(folder: string): string[] {
  const entries = quietly(() => readdirSync(folder, { withFileTypes: true })) ?? [];
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== 'node_modules');
  return folders.slice(0, MAX_CHILDREN).map(({ name }) => join(folder, name));
}

/** The path without links, so that one store counts once. */
function realPath(file: string): string {
  return quietly(() => join(realpathSync(join(file, '..')), basename(file))) ?? file;
}

/** What cannot be read holds nothing for this user. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
