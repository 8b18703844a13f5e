/** The files that `busbar init` writes: the config, a line of `.gitignore`, and hooks of Claude Code. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BusbarError, invalid } from '@busbar/api/transport';
import { quoteForShell } from './output/printable.ts';

/** A file as it is and as it shall be. */
export interface FileChange {
  readonly path: string;
  /** Undefined for a new file. */
  readonly before: string | undefined;
  readonly after: string;
}

/** What to write. */
export interface ProjectOptions {
  readonly bus: string;
  readonly hooks: boolean;
  /** The agent whose mail the hooks show. Default: that of the session. */
  readonly agent: string | undefined;
}

const IGNORED = '.busbar/';
/** The events of Claude Code with a hook. */
const EVENTS = ['SessionStart', 'UserPromptSubmit', 'Stop'];
const TIMEOUT_S = 10;

/** The files of the project in `folder`. Throws INVALID_ARGUMENT for settings that are not JSON. */
export function changesOf(folder: string, { bus, hooks, agent }: ProjectOptions): FileChange[] {
  const changes = [
    change(join(folder, 'busbar.config.json'), (before) => before ?? `${JSON.stringify({ bus }, null, 2)}\n`),
    change(join(folder, '.gitignore'), withIgnored),
  ];
  if (hooks)
    changes.push(change(join(folder, '.claude/settings.json'), (before, path) => withHooks(before, path, agent)));
  return changes;
}

/** Writes a file that changes. */
export function writeChange({ path, before, after }: FileChange): void {
  if (before === after) return;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, after);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BusbarError('PERMISSION_DENIED', `cannot write ${path}: ${code}`, {
      hint: 'Check its owner and its mode.',
      cause: error,
    });
  }
}

function change(path: string, write: (before: string | undefined, path: string) => string): FileChange {
  const before = read(path);
  return { path, before, after: write(before, path) };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw invalid(`cannot read ${path}: ${code}`, 'Make it readable, or move it away.');
  }
}

function withIgnored(before = ''): string {
  const isThere = before.split('\n').some((line) => /^\/?\.busbar\/?$/.test(line.trim()));
  if (isThere) return before;
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${IGNORED}\n`;
}

interface HookGroup {
  readonly hooks?: readonly { readonly command?: unknown }[];
}

/** Settings with one hook for each event, beside those that are there. */
function withHooks(before: string | undefined, path: string, agent: string | undefined): string {
  const settings = parseSettings(before, path);
  const hooks = asObject(settings['hooks'] ?? {}, `${path}: hooks`);
  const command = `busbar inbox --hook${agent === undefined ? '' : ` --as ${quoteForShell(agent)}`}`;
  const added: Record<string, unknown> = {};
  for (const event of EVENTS) {
    const groups = (hooks[event] ?? []) as HookGroup[];
    if (!Array.isArray(groups))
      throw invalid(`${path}: hooks.${event} is no list`, 'Correct it, or move the file away.');
    const has = groups.some((group) => group.hooks?.some((hook) => hook.command === command));
    if (!has) added[event] = [...groups, { hooks: [{ type: 'command', command, timeout: TIMEOUT_S }] }];
  }
  if (Object.keys(added).length === 0) return before ?? '';
  return `${JSON.stringify({ ...settings, hooks: { ...hooks, ...added } }, null, 2)}\n`;
}

function parseSettings(text: string | undefined, path: string): Record<string, unknown> {
  if (text === undefined || text.trim() === '') return {};
  try {
    return asObject(JSON.parse(text), path);
  } catch (error) {
    if (error instanceof BusbarError) throw error;
    throw invalid(`${path} is not JSON: ${(error as Error).message}`, 'Correct it, or move it away.');
  }
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`${what} is no object`, 'Correct it, or move the file away.');
}
