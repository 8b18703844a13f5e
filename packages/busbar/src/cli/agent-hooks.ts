/** Hooks of coding agents that run `busbar inbox --hook`: where their settings are, and at which events they run. */

import { invalid, isBusbarError } from '@busbar/api/transport';
import { quoteForShell } from './output/printable.ts';

/** A coding agent with hooks. */
export type HookHost = 'claude' | 'codex' | 'cursor' | 'gemini';

interface HostSettings {
  /** In the folder of the project. */
  readonly file: string;
  /** The start of a session, a prompt, and the end of a turn. */
  readonly events: readonly string[];
  /** 10 s, in the unit of the agent. */
  readonly timeout: number;
  /** The event behind which a hook may wait in the background, and its fields. Without it no hook wakes an idle session. */
  readonly wake?: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> };
  /** Keys of a new file. Hooks stand below their event without a group. */
  readonly flat?: Readonly<Record<string, unknown>>;
}

/** How long a hook waits for mail at most. The next turn starts another one. */
const WAKE_HOURS = 12;

/** The exit code of a hook in the background that wakes its session: the agent reads stderr. */
export const WAKES = 2;

/** The settings of each coding agent. Most have one form, and differ in names. Cursor takes no context with a prompt. */
export const HOOK_HOSTS: Readonly<Record<HookHost, HostSettings>> = {
  claude: {
    file: '.claude/settings.json',
    events: ['SessionStart', 'UserPromptSubmit', 'Stop'],
    timeout: 10,
    // It ends by itself before the agent would kill it.
    wake: { event: 'Stop', fields: { async: true, asyncRewake: true, timeout: WAKE_HOURS * 3_600 + 60 } },
  },
  codex: { file: '.codex/hooks.json', events: ['SessionStart', 'UserPromptSubmit', 'Stop'], timeout: 10 },
  cursor: { file: '.cursor/hooks.json', events: ['sessionStart', 'stop'], timeout: 10, flat: { version: 1 } },
  gemini: { file: '.gemini/settings.json', events: ['SessionStart', 'BeforeAgent', 'AfterAgent'], timeout: 10_000 },
};

/** What a hook prints for its event: context of the model; at the end of a turn, what lets the agent go on. */
export function hookOutput(event: string, text: string): Record<string, unknown> {
  const print = Object.hasOwn(OUTPUTS, event) ? OUTPUTS[event] : undefined;
  return print?.(text) ?? { hookSpecificOutput: { hookEventName: event, additionalContext: text } };
}

const OUTPUTS: Readonly<Record<string, (text: string) => Record<string, unknown>>> = {
  Stop: (reason) => ({ decision: 'block', reason }),
  AfterAgent: (reason) => ({ decision: 'deny', reason }),
  sessionStart: (text) => ({ additional_context: text }),
  stop: (text) => ({ followup_message: text }),
};

/** Whether the agent went on already because of a hook, so that it may end now. */
export function wentOn({ stop_hook_active: isActive, loop_count: loops }: Readonly<Record<string, unknown>>): boolean {
  return isActive === true || (typeof loops === 'number' && loops > 0);
}

/** A hook, or a group of hooks. */
interface HookEntry {
  readonly command?: unknown;
  readonly hooks?: readonly { readonly type: string; readonly command?: unknown }[];
}

/** The settings as they are, and the agent whose mail the hooks show: by default that of the session. */
interface HookSettings {
  readonly before: string | undefined;
  readonly path: string;
  readonly agent: string | undefined;
}

/** Settings with one hook for each event, and one that wakes, beside those that are there. */
export function withHooks(host: HookHost, { before, path, agent }: HookSettings): string {
  const { flat } = HOOK_HOSTS[host];
  const settings = { ...flat, ...parseSettings(before, path) };
  const hooks = asObject(settings['hooks'] ?? {}, `${path}: hooks`);
  const changed: Record<string, HookEntry[]> = {};
  for (const [event, hook] of hooksOf(host, agent)) {
    const entries = changed[event] ?? ((hooks[event] ?? []) as HookEntry[]);
    if (!Array.isArray(entries))
      throw invalid(`${path}: hooks.${event} is no list`, 'Correct it, or move the file away.');
    const has = entries.some((entry) =>
      [entry, ...(entry.hooks ?? [])].some(({ command }) => command === hook.command),
    );
    if (!has) changed[event] = [...entries, flat === undefined ? { hooks: [{ type: 'command', ...hook }] } : hook];
  }
  if (Object.keys(changed).length === 0) return before ?? '';
  return `${JSON.stringify({ ...settings, hooks: { ...hooks, ...changed } }, null, 2)}\n`;
}

/** The hooks of a coding agent, each with its event. */
function hooksOf(
  host: HookHost,
  agent: string | undefined,
): (readonly [event: string, hook: { readonly command: string }])[] {
  const { events, timeout, wake } = HOOK_HOSTS[host];
  const as = agent === undefined ? '' : ` --as ${quoteForShell(agent)}`;
  const looks = events.map((event) => [event, { command: `busbar inbox --hook${as}`, timeout }] as const);
  if (wake === undefined) return looks;
  const command = `busbar inbox --hook --wait ${WAKE_HOURS}h${as}`;
  return [...looks, [wake.event, { command, ...wake.fields }]];
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
