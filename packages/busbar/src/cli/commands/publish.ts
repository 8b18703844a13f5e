/** `busbar publish`: publishes events. */

import type { EventOptions } from '@busbar/api';
import { checkTopic, invalid, MAX_DURATION_MS, quote } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { BODY_NOTE, LINES_NOTE, readBody } from '../input/body.ts';
import type { FlagValues } from '../input/flag-values.ts';
import { publishWithoutBus } from '../mail/without-bus.ts';
import { DONE } from '../output/exit-codes.ts';

/** Flags that a line may have too. */
const LINE_FLAGS = {
  ephemeral: { kind: 'switch', help: 'do not store it: only live subscribers get it' },
  header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
  key: { kind: 'text', value: 'KEY', max: 512, help: 'the id of the event, stored once within the dedupe window' },
  correlation: { kind: 'text', value: 'ID', max: 512, help: 'an id that related messages share' },
  order: { kind: 'text', value: 'KEY', max: 255, help: 'durable subscribers handle events of one key in order' },
  ttl: { kind: 'duration', min: 1, max: MAX_DURATION_MS, help: 'expires for durable subscribers after this time' },
} as const;

const FLAGS = {
  ...LINE_FLAGS,
  text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  count: { kind: 'integer', min: 1, max: 1_000_000, help: 'publish it this many times' },
  jsonl: { kind: 'switch', help: 'publish each line of stdin: { "topic", "body"?, … }' },
} as const;

type PublishInvocation = Invocation<typeof FLAGS>;

export const publish: Command = defineCommand({
  args: ['TOPIC?', 'BODY?'],
  flags: FLAGS,
  examples: [
    [`busbar publish user.login '{"userId":123}'`, 'prints the id of the event'],
    ['git log -1 --format=%s | busbar publish repo.commit', 'reads the body from a pipe'],
    ['busbar publish --jsonl < events.jsonl', 'many events; prints one id per line'],
  ],
  notes: [
    'A topic consists of tokens with dots between them. It needs no subscriber.',
    BODY_NOTE,
    `A line of --jsonl has topic, unless TOPIC is given, and body. ${LINES_NOTE}`,
  ],
  run: (invocation) => {
    const { jsonl, count = 1 } = invocation.flags;
    if (jsonl) return publishLines(invocation);
    return count === 1 ? publishOne(invocation) : publishTimes(invocation, count);
  },
});

async function publishOne({ args, flags, session }: PublishInvocation): Promise<number> {
  const { out } = session;
  const { topic, body } = await readEvent({ args, flags, session });
  session.createsBus();
  const fields = { ...toEventOptions(flags), ephemeral: flags.ephemeral };
  const { id, position, status } = await publishWithoutBus(session, topic, body, fields);
  if (out.json) await out.jsonLines([{ id, status, topic, position }]);
  else await out.lines([id]);
  if (status === 'duplicate') out.note('busbar: duplicate: this event was published before');
  return DONE;
}

async function publishTimes({ args, flags, session }: PublishInvocation, count: number): Promise<number> {
  if (flags.key !== undefined) throw invalid('--key and --count exclude each other', 'An id is stored once.');
  const { topic, body } = await readEvent({ args, flags, session });
  session.createsBus();
  const sender = await session.senderAgent();
  const { runTimes } = await import('../lines/run-lines.ts');
  const options = { ...session.call, ...toEventOptions(flags) };
  return runTimes(session, count, async () => ({ ...(await sender.publish(topic, body, options)), topic }));
}

async function publishLines({ args, flags, session }: PublishInvocation): Promise<number> {
  const { key, count } = flags;
  if (args.length > 1) throw invalid('--jsonl takes no BODY', 'Each line has its own.');
  if (key !== undefined || count !== undefined)
    throw invalid(
      `--${key === undefined ? 'count' : 'key'} has no meaning with --jsonl`,
      'Lines have keys of their own.',
    );
  const [{ parseLine, textOf }, { runLines }] = await Promise.all([
    import('../lines/line-fields.ts'),
    import('../lines/run-lines.ts'),
  ]);
  return runLines(session, async (line) => {
    const { own, flags: given } = parseLine(line, ['topic', 'body'], LINE_FLAGS);
    const topic = textOf(own['topic'] ?? args[0], 'topic');
    // A bad line makes no bus.
    checkOwn(topic);
    session.createsBus();
    const sender = await session.senderAgent();
    const options = { ...session.call, ...toEventOptions({ ...flags, ...given }) };
    return { ...(await sender.publish(topic, own['body'], options)), topic };
  });
}

function toEventOptions(flags: Partial<FlagValues<typeof LINE_FLAGS>>): EventOptions {
  const { key: id, ephemeral, header = {}, correlation: correlationId, order: orderingKey, ttl: ttlMs } = flags;
  const headers = Object.keys(header).length === 0 ? {} : { headers: header };
  return { id, ephemeral, correlationId, orderingKey, ttlMs, ...headers };
}

function checkOwn(topic: string): void {
  checkTopic(topic);
  if (topic.startsWith('$'))
    throw invalid(`topic ${quote(topic)} starts with $`, 'Names with $ in front are reserved for the bus.');
}

async function readEvent({
  args: [topic, argument],
  flags: { text },
  session: { signal, out },
}: Pick<PublishInvocation, 'args' | 'flags' | 'session'>): Promise<{ readonly topic: string; readonly body: unknown }> {
  if (topic === undefined) throw invalid('TOPIC is missing', 'The arguments are TOPIC [BODY].');
  // Before a bus is made for it.
  checkOwn(topic);
  return { topic, body: await readBody(argument, { text, optional: true, signal, out }) };
}
