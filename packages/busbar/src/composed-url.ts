/** URLs of buses that are made of other buses, such as `migrate:?from=sqlite&to=redis`. */

import { didYouMean, invalid, quote } from '@busbar/api/transport';
import { checkNamespace, inNamespace } from './bus-url.ts';

/** What the URLs of one scheme consist of. */
interface Composition {
  /** Parameters that name other buses. */
  readonly parts: readonly string[];
  /** Those parts that need not be given: then they are files in the project's folder. */
  readonly optional?: readonly string[];
  /** Options of its own. */
  readonly options: readonly string[];
  /** Composed buses that it may contain. */
  readonly holds: readonly string[];
  readonly example: string;
}

const COMPOSITIONS: Readonly<Record<string, Composition>> = {
  audit: {
    parts: ['of', 'log'],
    optional: ['log'],
    options: ['onFull', 'bodies', 'redact', 'bufferBytes', 'lookMs'],
    holds: ['migrate', 'hybrid'],
    example: 'audit:?of=redis&log=sqlite',
  },
  migrate: { parts: ['from', 'to'], options: [], holds: [], example: 'migrate:?from=sqlite&to=redis' },
  hybrid: {
    parts: ['fast', 'durable'],
    options: ['fastQueues', 'fastTopics', 'urgent', 'reach', 'callTimeoutMs'],
    holds: ['migrate'],
    example: 'hybrid:?fast=redis&durable=sqlite',
  },
};
/** Options of every composed bus. */
const SHARED = ['ns', 'waitForServerMs', 'callTimeoutMs'];
/** A composed bus may contain one more. */
const MAX_LEVELS = 2;

/** A parsed URL of a composed bus. */
export interface ComposedUrl {
  /** The complete URL of a part. The `ns` of the composed bus is in each one that had none. */
  part(name: string): string;
  /** The query with the options of the composed bus itself. */
  readonly options: string;
  readonly waitForServerMs: number | undefined;
  readonly callTimeoutMs: number | undefined;
}

/** The scheme of the URL of a composed bus; undefined for other URLs. */
export function composedScheme(url: string): string | undefined {
  const [, scheme] = /^([a-z]+):/.exec(url) ?? [];
  return scheme !== undefined && Object.hasOwn(COMPOSITIONS, scheme) ? scheme : undefined;
}

/** The same URL with complete URLs as its parts, as `resolve` finds them. It gets an empty text for a part that is not given. */
export function resolveComposedUrl(url: string, what: string, resolve: (part: string, what: string) => string): string {
  const { scheme, composition, parameters } = split(url, what);
  for (const name of composition.parts) {
    const part = resolve(parameters.get(name) ?? '', `${name} of ${what}`);
    const inner = composedScheme(part);
    if (inner !== undefined && !composition.holds.includes(inner)) {
      const hint = `A ${scheme} bus cannot contain it. Name the buses of which it is made.`;
      throw invalid(`${name} of ${what} is a ${inner} bus itself`, hint);
    }
    parameters.set(name, part);
  }
  const resolved = `${scheme}:?${parameters}`;
  if (levelsOf(resolved) > MAX_LEVELS) {
    throw invalid(`${what} has more than ${MAX_LEVELS} levels of composed buses`, 'Take one level away.');
  }
  checkDifferent(composition, parameters, what);
  return resolved;
}

/** Parses a URL whose parts are complete. */
export function parseComposedUrl(url: string): ComposedUrl {
  const { composition, parameters } = split(url, 'the URL');
  const read = (name: string): number | undefined => (parameters.has(name) ? Number(parameters.get(name)) : undefined);
  return {
    part: (name) => partOf(parameters, name),
    options: new URLSearchParams([...parameters].filter(([name]) => composition.options.includes(name))).toString(),
    waitForServerMs: read('waitForServerMs'),
    callTimeoutMs: read('callTimeoutMs'),
  };
}

/** `url` with this namespace instead of its own, and instead of those of its parts. */
export function withNamespace(url: string, ns: string): string {
  const scheme = composedScheme(url);
  if (scheme === undefined) return inNamespace(url, ns);
  const { composition, parameters } = split(url, 'the URL');
  parameters.delete('ns');
  for (const name of composition.parts) parameters.set(name, withNamespace(parameters.get(name) ?? '', ns));
  return `${scheme}:?${parameters}`;
}

/** The names of the parts of a composed URL. */
export function partNames(url: string): readonly string[] {
  return COMPOSITIONS[composedScheme(url) ?? '']?.parts ?? [];
}

function split(
  url: string,
  what: string,
): { readonly scheme: string; readonly composition: Composition; readonly parameters: URLSearchParams } {
  const [, scheme = '', address = '', query = ''] = /^([a-z]+):([^?]*)\??(.*)$/s.exec(url) ?? [];
  const composition = COMPOSITIONS[scheme];
  if (composition === undefined)
    throw invalid(`${what} is no composed bus`, `Use ${Object.keys(COMPOSITIONS).join(': or ')}:.`);
  const hint = `Write ${composition.example}. Encode inner URLs: sqlite%3A.%2Fbus.db.`;
  if (address !== '') throw invalid(`${what} has an address, and a ${scheme} bus has none`, hint);
  const parameters = new URLSearchParams(query);
  const legal = [...composition.parts, ...composition.options, ...SHARED];
  const names = [...parameters.keys()];
  for (const [index, name] of names.entries()) {
    if (!legal.includes(name)) {
      throw invalid(`${what} has the unknown parameter ${quote(name)}`, `${didYouMean(name, legal)}${hint}`);
    }
    if (names.indexOf(name) !== index) throw invalid(`${what} has the parameter ${name} twice`, hint);
  }
  const { parts, optional = [] } = composition;
  const missing = parts.find((name) => !optional.includes(name) && (parameters.get(name) ?? '') === '');
  if (missing !== undefined) throw invalid(`${what} has no parameter ${missing}`, hint);
  checkShared(parameters, what);
  return { scheme, composition, parameters };
}

function checkShared(parameters: URLSearchParams, what: string): void {
  const ns = parameters.get('ns');
  if (ns !== null) checkNamespace(ns, 'ns');
  for (const [name, least] of [
    ['waitForServerMs', 0],
    ['callTimeoutMs', 100],
  ] as const) {
    const value = parameters.get(name);
    if (value === null || Number(value) >= least) continue;
    throw invalid(`${name} of ${what} is illegal: ${quote(value)}`, `Use milliseconds, ${least} or more.`);
  }
}

/** Two parts with one URL are one store. */
function checkDifferent({ parts }: Composition, parameters: URLSearchParams, what: string): void {
  const urls = parts.map((name) => partOf(parameters, name));
  const index = urls.findIndex((part, at) => urls.indexOf(part) !== at);
  if (index === -1) return;
  const first = parts[urls.indexOf(urls[index] ?? '')];
  throw invalid(`${first} and ${parts[index]} of ${what} are the same bus`, 'Name two buses.');
}

function partOf(parameters: URLSearchParams, name: string): string {
  const [ns, part] = [parameters.get('ns'), parameters.get(name) ?? ''];
  return ns === null || /[?&]ns=/.test(part) ? part : inNamespace(part, ns);
}

/** How many composed buses contain each other. */
function levelsOf(url: string): number {
  if (composedScheme(url) === undefined) return 0;
  const { composition, parameters } = split(url, 'the URL');
  return 1 + Math.max(...composition.parts.map((name) => levelsOf(parameters.get(name) ?? '')));
}
