/** One table for the options of a transport: validation, URLs and the README's table come from it. */

import { BusbarError, invalid } from '../../contract/errors.ts';
import { quote } from '../../contract/names.ts';
import { checkOptions } from '../../contract/validation.ts';
import { checkFilePath } from './file-path.ts';
import type { OptionRow, ReadText } from './option-kinds.ts';
import type { Retention } from './retention.ts';

/** What {@link defineOptions} takes. */
export interface OptionTableInput<Settings> {
  /** The backend, as errors name it: `SQLite`. */
  readonly transport: string;
  /** The scheme of its URLs: `sqlite`. */
  readonly scheme: string;
  readonly options: { readonly [Name in keyof Settings]-?: OptionRow<Settings[Name]> };
  /** Options and parameters of other backends that this one refuses by name, each with what to do instead. */
  readonly refused?: Readonly<Record<string, string>> | undefined;
}

/** The options of one transport. */
export interface OptionTable<Options, Settings> {
  /** Checks `options` and fills in the defaults; the result is frozen. Throws INVALID_ARGUMENT, or UNSUPPORTED for a refused one. */
  complete(options: Options | undefined): Readonly<Settings>;
  /**
   * The options in the query of a URL, without its `?`. Each parameter is legal once; unknown ones are refused with the list.
   * `only` are the parameters of URLs with this `scheme`, if they are fewer.
   */
  readQuery(query: string, scheme?: string, only?: readonly string[]): Partial<Options>;
  /** The table of options in the README. */
  toMarkdown(): string;
}

/** The options of a transport, complete: only those in `Open` can be undefined. */
export type CompleteOptions<Options, Open extends keyof Options = never> = {
  readonly [Name in keyof Options]-?: Name extends 'retention'
    ? Retention
    : Name extends Open
      ? Options[Name]
      : NonNullable<Options[Name]>;
};

type Identity = Pick<OptionTableInput<object>, 'transport' | 'scheme' | 'refused'>;

interface Parameter {
  readonly option: string;
  readonly field: string | undefined;
  readonly read: ReadText;
}

/** The options of a transport, from one table. */
export function defineOptions<Options extends object, Settings extends { readonly [Name in keyof Options]-?: unknown }>(
  input: OptionTableInput<Settings>,
): OptionTable<Options, Settings> {
  const rows = Object.entries(input.options) as [string, OptionRow<unknown>][];
  const parameters = new Map(rows.flatMap(([name, row]) => parametersOf(name, row)));
  return {
    complete: (options) => complete(input, rows, options) as Readonly<Settings>,
    readQuery: (query, scheme = input.scheme, only = [...parameters.keys()]) => {
      const legal = new Map([...parameters].filter(([name]) => only.includes(name)));
      return readQuery({ ...input, scheme }, legal, query) as Partial<Options>;
    },
    toMarkdown: () => toMarkdown(rows),
  };
}

/** `text` without its percent-escapes. `what` names it in the error, which does not show it: it may be a secret. */
export function decodeUrlPart(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`${what} in the URL has a bad percent-escape`, 'Write % as %25.');
  }
}

/** The path behind `scheme:` in a URL: relative to the working directory, or absolute with one slash or three. */
export function readUrlPath(text: string, scheme: string): string {
  if (text.includes('#')) throw invalid(`a ${scheme}: URL has no fragment`, 'Write %23 for # in a path.');
  const path = decodeUrlPart(text, 'the path');
  if (path === '')
    throw invalid(`the ${scheme}: URL names no file`, `Write ${scheme}:./path or ${scheme}:/absolute/path.`);
  if (path.startsWith('//') && !path.startsWith('///')) {
    throw invalid(
      `${quote(`${scheme}:${text}`)} names a host`,
      `A path of this machine has three slashes: ${scheme}:///path.`,
    );
  }
  const file = path.startsWith('///') ? path.slice(2) : path;
  checkFilePath(file, 'the path in the URL');
  return file;
}

function parametersOf(option: string, { url }: OptionRow<unknown>): [string, Parameter][] {
  if (url.kind === 'parameter') return [[option, { option, field: undefined, read: url.read }]];
  if (url.kind === 'elsewhere') return [];
  return Object.entries(url.read).map(([field, read]) => [field, { option, field, read }]);
}

function complete(
  { transport, refused = {} }: Identity,
  rows: readonly [string, OptionRow<unknown>][],
  options: object | undefined,
): object {
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  for (const [name, reason] of Object.entries(refused)) {
    if (given[name] !== undefined) throw unsupportedOption(transport, name, reason);
  }
  const names = rows.map(([name]) => name);
  checkOptions(options, [...names, ...Object.keys(refused)], `${transport} options`);
  const settings = rows.map(([name, row]) => {
    const value = given[name];
    return [name, value === undefined ? row.default : row.check(value, name)];
  });
  return Object.freeze(Object.fromEntries(settings));
}

function readQuery(
  { transport, scheme, refused = {} }: Identity,
  parameters: ReadonlyMap<string, Parameter>,
  query: string,
): object {
  const options: Record<string, unknown> = {};
  const seen = new Set<string>();
  let isSecret = false;
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [name = '', value = ''] = cut(part).map((text) => decodeUrlPart(text.replaceAll('+', ' '), 'a parameter'));
    const parameter = parameters.get(name);
    if (parameter === undefined) {
      if (Object.hasOwn(refused, name)) throw unsupportedOption(transport, name, refused[name]);
      throw unknownParameter(scheme, name, isSecret, [...parameters.keys()]);
    }
    isSecret ||= SECRET_NAME.test(name);
    if (seen.has(name)) throw invalid(`the parameter ${name} is given twice`, 'Give it once.');
    seen.add(name);
    const { option, field, read } = parameter;
    if (field === undefined) options[option] = read(value);
    else options[option] = { ...(options[option] as object | undefined), [field]: read(value) };
  }
  return options;
}

const SECRET_NAME = /pass|secret|token|key|auth|cred|jwt/i;

/** The name is not shown where it may be the rest of a secret with an unescaped &. */
function unknownParameter(scheme: string, name: string, isSecret: boolean, names: readonly string[]): BusbarError {
  const shown = isSecret || !/^[A-Za-z_-]{1,40}$/.test(name) ? 'this parameter' : `parameter ${quote(name)}`;
  return invalid(`a ${scheme}: URL has no ${shown}`, `Its parameters are ${names.join(', ')}.`);
}

/** UNSUPPORTED: an option of other backends that this one does not have. */
function unsupportedOption(transport: string, name: string, hint: string | undefined): BusbarError {
  return new BusbarError('UNSUPPORTED', `${transport} has no option ${name}`, hint === undefined ? {} : { hint });
}

function cut(part: string): [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
}

function toMarkdown(rows: readonly [string, OptionRow<unknown>][]): string {
  const lines = rows.map(([name, { url, shown, meaning }]) => {
    const fields = url.kind === 'fields' ? Object.keys(url.read).map((field) => `\`${field}\``) : [];
    const inUrl =
      url.kind === 'elsewhere' ? ` (${url.where})` : fields.length > 0 ? ` (in a URL ${fields.join(', ')})` : '';
    return `| \`${name}\`${inUrl} | ${shown} | ${meaning} |`;
  });
  return ['| option | default | meaning |', '|---|---|---|', ...lines].join('\n');
}
