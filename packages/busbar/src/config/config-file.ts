/** `busbar.config.json`: names of buses, and the default one. */

import { dirname, join } from 'node:path';
import { didYouMean, invalid, quote } from '@busbar/api/transport';
import { checkNamespace } from '../bus-url.ts';
import { isSchemeName } from '../schemes.ts';
import { findRepository, searchedFolders, sharedFolder } from './git-repository.ts';
import { readOwnedFile } from './owned-files.ts';

/** A parsed config file. */
export interface ConfigFile {
  readonly path: string;
  /** Where relative paths start: its folder; in a linked worktree of git the same folder of the main one. */
  readonly base: string;
  /** The default bus: a name in `buses`, a short name or a URL. */
  readonly bus: string | undefined;
  readonly buses: ReadonlyMap<string, ConfiguredBus>;
}

/** One bus in a config file. */
export interface ConfiguredBus {
  readonly url: string;
  /** The namespace on that server or file. */
  readonly ns: string | undefined;
}

const FILE = 'busbar.config.json';
const OWNER_HINT = 'Change its owner, or name the bus by a URL: with --url or MESSAGE_BUS. Then the file is not read.';
const KEYS = ['$schema', 'bus', 'buses'];
const BUS_KEYS = ['url', 'ns'];
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** Reads the nearest config file at or above `cwd`, if any. Throws INVALID_ARGUMENT for a bad one. */
export function readConfigFile(cwd: string): ConfigFile | undefined {
  const repository = findRepository(cwd);
  for (const folder of searchedFolders(cwd, repository)) {
    const path = join(folder, FILE);
    const text = readOwnedFile(path, OWNER_HINT);
    if (text !== undefined) return parseConfig(text, path, sharedFolder(folder, repository));
  }
  return undefined;
}

/** Checks the text of a config file. */
export function parseConfig(text: string, path: string, base: string = dirname(path)): ConfigFile {
  const root = asObject(parseJson(text.replace(/^\uFEFF/, ''), path), path, KEYS);
  const buses = new Map<string, ConfiguredBus>();
  const listed = root['buses'] === undefined ? {} : asObject(root['buses'], `${path}: buses`);
  for (const [name, value] of Object.entries(listed)) {
    if (!NAME.test(name)) throw invalid(`${path}: illegal bus name ${quote(name)}`, `Use ${NAME.source.slice(1, -1)}.`);
    if (isSchemeName(name))
      throw invalid(`${path}: a bus cannot have the name ${quote(name)}`, 'This is a short name already.');
    buses.set(name, readBus(value, `${path}: buses.${name}`));
  }
  return { path, base, bus: root['bus'] === undefined ? undefined : asText(root['bus'], `${path}: bus`), buses };
}

function readBus(value: unknown, what: string): ConfiguredBus {
  if (typeof value === 'string') return { url: asText(value, what), ns: undefined };
  const { url, ns } = asObject(value, what, BUS_KEYS);
  if (url === undefined) throw invalid(`${what} has no url`, `Its keys are ${BUS_KEYS.join(', ')}.`);
  if (ns !== undefined) checkNamespace(ns, `${what}.ns`);
  return { url: asText(url, `${what}.url`), ns };
}

function asText(value: unknown, what: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw invalid(`${what} must be a string that names a bus, not ${show(value)}`, 'Such as "sqlite:./bus.db".');
}

function asObject(value: unknown, what: string, keys?: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const hint = keys === undefined ? 'It maps names to URLs.' : `Its keys are ${keys.join(', ')}.`;
    throw invalid(`${what} must be an object, not ${show(value)}`, hint);
  }
  for (const key of Object.keys(value)) {
    if (keys === undefined || keys.includes(key)) continue;
    throw invalid(
      `${what} has the unknown key ${quote(key)}`,
      `${didYouMean(key, keys)}The keys are ${keys.join(', ')}.`,
    );
  }
  return value as Record<string, unknown>;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = (error as Error).message.replace(/,? (in JSON )?(at position|\.\.\.|").*$/s, '');
    throw invalid(
      `${path}:${lineOfFault(text)} is not JSON: ${reason}`,
      'Check commas and quotes; JSON has no comments.',
    );
  }
}

/** The first line after which no text can be valid. V8 does not always report the position. */
function lineOfFault(text: string): number {
  const lines = text.split('\n');
  for (let count = 1; count < lines.length; count += 1) {
    if (isFaulty(`${lines.slice(0, count).join('\n')}\n`)) return count;
  }
  return lines.length;
}

function isFaulty(start: string): boolean {
  try {
    JSON.parse(start);
    return false;
  } catch (error) {
    const { message } = error as Error;
    const [, position] = /at position (\d+)/.exec(message) ?? [];
    return !/end of JSON|Unterminated/.test(message) && Number(position ?? -1) < start.length;
  }
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : quote(value);
}
