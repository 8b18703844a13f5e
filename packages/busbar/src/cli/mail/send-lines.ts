/** `busbar send --jsonl`: sends the lines of stdin in batches. */

import type { Agent, MailOptions, Recipient, Sent } from '@busbar/api';
import { invalid, isBusbarError, quote } from '@busbar/api/transport';
import { parseBody } from '../exact-json.ts';
import { readLines } from '../input/body.ts';
import { DONE, exitCodeOf, NOT_FOUND, REFUSED, USAGE } from '../output/exit-codes.ts';
import { foreignText } from '../output/failure.ts';
import { type Output, unlessReaderGone } from '../output/output.ts';
import { toJsonLine } from '../output/printable.ts';
import type { Session } from '../session.ts';
import { withShellHint } from './mailbox.ts';

/** Defaults for lines that lack a field. */
export interface LineDefaults {
  readonly type: string;
  readonly capability: string | undefined;
  readonly options: MailOptions;
}

interface LineMessage {
  readonly to: Recipient;
  readonly type: string;
  readonly body: unknown;
  readonly options: MailOptions;
}

type LineResult = { readonly sent: Sent } | { readonly error: unknown };

const OPTION_KEYS: readonly (keyof MailOptions)[] = [
  ...(['id', 'headers', 'priority', 'delayMs', 'ttlMs', 'orderingKey'] as const),
  ...(['maxAttempts', 'correlationId', 'createInbox'] as const),
];
const KEYS: readonly string[] = ['to', 'capability', 'type', 'body', ...OPTION_KEYS];

/** Sends the lines of stdin, prints an id for each, and resolves to the exit code: 2 after a bad line. */
export async function sendLines(session: Session, defaults: LineDefaults): Promise<number> {
  const { out, signal } = session;
  const sender = await session.senderAgent();
  let code = DONE;
  let number = 0;
  for await (const lines of readLines(signal)) {
    // Sends in the same turn share a transaction.
    const sending = lines.map((line) => (line.trim() === '' ? undefined : sendLine(sender, line, defaults, session)));
    const settled = await Promise.all(sending);
    const first = number + 1;
    number += lines.length;
    await unlessReaderGone(printAll(out, settled, first));
    for (const [index, one] of settled.entries()) {
      if (one !== undefined && 'error' in one) code = worse(code, reportLine(out, first + index, one.error));
    }
  }
  return code;
}

async function sendLine(sender: Agent, line: string, defaults: LineDefaults, { call }: Session): Promise<LineResult> {
  try {
    const { to, type, body, options } = toLineMessage(line, defaults);
    return { sent: await sender.send(to, type, body, { ...call, ...options }) };
  } catch (error) {
    return { error };
  }
}

function toLineMessage(line: string, defaults: LineDefaults): LineMessage {
  const fields = parseLine(line);
  for (const key of Object.keys(fields)) {
    if (!KEYS.includes(key)) throw invalid(`unknown key ${quote(key)}`, `The keys are ${KEYS.join(', ')}.`);
  }
  const given = Object.fromEntries(
    Object.entries(fields).filter(([key]) => OPTION_KEYS.includes(key as keyof MailOptions)),
  );
  return {
    to: toRecipient(
      fields['to'],
      fields['capability'] ?? (fields['to'] === undefined ? defaults.capability : undefined),
    ),
    type: (fields['type'] ?? defaults.type) as string,
    body: fields['body'],
    options: { ...defaults.options, ...given },
  };
}

function parseLine(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) return 'body' in value ? { ...value, body: (parseBody(line) as typeof value)['body'] } : value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(`not JSON: ${(error as Error).message}`, 'Each line must be one JSON object.');
  }
  throw invalid('not a JSON object', 'Write {"to":"@reviewer","body":"hello"}.');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toRecipient(to: unknown, capability: unknown): Recipient {
  if (to !== undefined && capability !== undefined) throw invalid('both to and capability', 'Give one of them.');
  if (capability !== undefined) return { capability: capability as string };
  if (to === undefined) throw invalid('to is missing', 'Name the agent: {"to":"@reviewer", …}.');
  return to as string;
}

function printAll(out: Output, settled: readonly (LineResult | undefined)[], first: number): Promise<void> {
  if (!out.json) return out.lines(settled.flatMap((one) => (one !== undefined && 'sent' in one ? [one.sent.id] : [])));
  return out.jsonLines(
    settled.flatMap((one, index) => (one !== undefined && 'sent' in one ? [{ line: first + index, ...one.sent }] : [])),
  );
}

/** Reports a line that was not sent. Throws an error that is not the line's fault. */
function reportLine(out: Output, line: number, thrown: unknown): number {
  const error = withShellHint(thrown);
  if (!isBusbarError(error)) throw error;
  const code = exitCodeOf(error.code);
  if (code !== USAGE && code !== REFUSED && code !== NOT_FOUND) throw error;
  const message = foreignText(error.message);
  const hint = error.hint && foreignText(error.hint);
  if (out.json) out.errorLines([toJsonLine({ error: { code: error.code, message, hint, line } })]);
  else out.warn(`line ${line}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
  // A full inbox is not the line's fault.
  return error.code === 'BACKPRESSURE' ? REFUSED : USAGE;
}

/** A bad line determines the exit code. */
function worse(one: number, other: number): number {
  return one === USAGE || other === USAGE ? USAGE : Math.max(one, other);
}
