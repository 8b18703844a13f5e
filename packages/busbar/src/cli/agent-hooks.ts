/** Hooks of coding agents that run `busbar inbox --hook`: where their settings are, and at which events they run. */

import { invalid, isBusbarError } from '@busbar/api/transport';
import { quoteForShell } from './output/printable.ts';

/** A coding agent with hooks. */
export type HookHost = 'claude' | 'codex' | 'gemini';

interface HostSettings {
  /** In the folder of the project. */
  readonly file: string;
  /** The start of a session, a prompt, and the end of a turn. */
  readonly events: readonly string[];
  /** 10 s, in the unit of the agent. */
  readonly timeout: number;
}

/** The settings of each coding agent. All have one form, and differ in names. */
export const HOOK_HOSTS: Readonly<Record<HookHost, HostSettings>> = {
  claude: { file: '.claude/settings.json', events: ['SessionStart', 'UserPromptSubmit', 'Stop'], timeout: 10 },
  codex: { file: '.codex/hooks.json', events: ['SessionStart', 'UserPromptSubmit', 'Stop'], timeout: 10 },
  gemini: { file: '.gemini/settings.json', events: ['SessionStart', 'BeforeAgent', 'AfterAgent'], timeout: 10_000 },
};

/** The decision that lets the agent go on at the end of a turn, by the event. */
export const GO_ON: Readonly<Record<string, string>> = { Stop: 'block', AfterAgent: 'deny' };

interface HookGroup {
  readonly hooks?: readonly { readonly command?: unknown }[];
}

/** The settings as they are, and the agent whose mail the hooks show: by default that of the session. */
interface HookSettings {
  readonly before: string | undefined;
  readonly path: string;
  readonly agent: string | undefined;
}

/** Settings with one hook for each event, beside those that are there. */
export function withHooks(host: HookHost, { before, path, agent }: HookSettings): string {
  const { events, timeout } = HOOK_HOSTS[host];
  const settings = parseSettings(before, path);
  const hooks = asObject(settings['hooks'] ?? {}, `${path}: hooks`);
  const command = `busbar inbox --hook${agent === undefined ? '' : ` --as ${quoteForShell(agent)}`}`;
  const added: Record<string, unknown> = {};
  for (const event of events) {
    const groups = (hooks[event] ?? []) as HookGroup[];
    if (!Array.isArray(groups))
      throw invalid(`${path}: hooks.${event} is no list`, 'Correct it, or move the file away.');
    const has = groups.some((group) => group.hooks?.some((hook) => hook.command === command));
    if (!has) added[event] = [...groups, { hooks: [{ type: 'command', command, timeout }] }];
  }
  if (Object.keys(added).length === 0) return before ?? '';
  return `${JSON.stringify({ ...settings, hooks: { ...hooks, ...added } }, null, 2)}\n`;
}

function parseSettings(text: string | undefined, path: string): Record<string, unknown> {
  if (text === undefined || text.trim() === '') return {};
  try {
    return asObject(JSON.parse(text), path);
  } catch (error) {
    if (isBusbarError(error)) throw error;
    throw invalid(`${path} is not JSON: ${(error as Error).message}`, 'Correct it, or move it away.');
  }
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`${what} is no object`, 'Correct it, or move the file away.');
}
