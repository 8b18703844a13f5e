/** `busbar request`: sends a request and waits for the response. */

import type { Recipient, RequestOptions } from '@busbar/api';
import { BusbarError, isBusbarError, newId } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { splitRecipient } from '../input/mail-flags.ts';
import { unknownAgent } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { showValue, valueText } from '../output/message-view.ts';
import { printable } from '../output/printable.ts';

const FLAGS = {
  type: { kind: 'text', value: 'NAME', max: 255, help: 'type of the request (default request)' },
  capability: { kind: 'text', value: 'NAME', max: 255, help: 'any online agent with this capability, instead of TO' },
  wait: { kind: 'duration', min: 1, help: 'how long to wait for the response (default 45s)' },
  live: { kind: 'switch', help: 'use the fast path to an online agent; exit 5 at once without one' },
  key: { kind: 'text', value: 'ID', max: 512, help: 'the id of the request; repeating it gets the same response' },
  priority: { kind: 'integer', min: 0, max: 9, help: '0 to 9, higher goes first (default 4)' },
  header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
  correlation: { kind: 'text', value: 'ID', max: 512, help: 'an id that related messages share' },
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
} as const;

type RequestInvocation = Invocation<typeof FLAGS>;

const DEFAULT_WAIT_MS = 45_000;

export const request: Command = defineCommand({
  args: ['TO?', 'BODY?'],
  flags: FLAGS,
  examples: [
    [`busbar request @auth '{"token":"x"}' --type validate_token`, 'prints the response'],
    ['busbar request @auth ping --live', 'only if it is online'],
    ['busbar request --capability review "look at 7f3a" --wait 10m', 'any agent with the capability'],
  ],
  notes: [
    'The request goes through the inbox of the agent. The agent may come online later, or respond from a shell with reply.',
    'The request expires with its timeout. Exit 4: no response in time. Exit 1: the handler failed.',
    BODY_NOTE,
  ],
  run: async (invocation) => {
    const { flags, session } = invocation;
    const { out, signal } = session;
    const [to, argument] = splitRecipient(invocation.args, flags.capability);
    const optional = flags.type !== undefined;
    const body = await readBody(argument, { text: flags.text, optional, signal, out });
    const id = flags.key ?? newId();
    session.endWithParent();
    const sender = await session.senderAgent();
    const responding = sender.request(to, flags.type ?? 'request', body, { id, ...toOptions(invocation) });
    const response = await responding.catch(async (error: unknown) => {
      throw await explain(error, to, id, invocation);
    });
    await (out.json ? out.jsonLines([{ id, body: showValue(response) }]) : out.lines([printable(valueText(response))]));
    return DONE;
  },
});

function toOptions({ flags, session }: RequestInvocation): RequestOptions {
  const { wait, live, priority, header, correlation } = flags;
  return {
    durable: !live,
    timeoutMs: wait ?? session.timeoutMs ?? DEFAULT_WAIT_MS,
    signal: session.signal,
    headers: header,
    priority,
    correlationId: correlation,
  };
}

/** The same error, with a hint that names verbs and flags instead of functions. */
async function explain(
  error: unknown,
  to: Recipient,
  id: string,
  { flags, session }: RequestInvocation,
): Promise<unknown> {
  if (!isBusbarError(error)) return error;
  const { code, outcome, message, cause } = error;
  if (code === 'NOT_FOUND' && typeof to === 'string') return unknownAgent(to, session, error);
  const hint = hintFor(code, id, flags.live);
  return hint === undefined ? error : new BusbarError(code, message, { hint, outcome, cause });
}

function hintFor(code: string, id: string, live: boolean): string | undefined {
  if (code === 'NO_RESPONDER')
    return live ? 'Without --live the request waits in the inbox.' : 'busbar agents lists all agents.';
  if (code === 'TIMEOUT' && !live)
    return `If the agent is still working, repeat the request with --key ${id} to get the response.`;
  return undefined;
}
