/** `busbar publish`: an event for whoever listens, now or later. */

import { MAX_DURATION_MS } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { publishDirectly, toFields } from '../mail/direct.ts';
import { DONE } from '../output/exit-codes.ts';

export const publish: Command = defineCommand({
  args: ['TOPIC', 'BODY?'],
  flags: {
    ephemeral: { kind: 'switch', help: 'not stored: only who listens now gets it' },
    header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
    key: { kind: 'text', value: 'KEY', max: 512, help: 'its id: within the dedupe window one is stored once' },
    correlation: { kind: 'text', value: 'ID', max: 512, help: 'ties messages together' },
    order: { kind: 'text', value: 'KEY', max: 255, help: 'durable subscribers handle events of one key in order' },
    ttl: { kind: 'duration', min: 1, max: MAX_DURATION_MS, help: 'durable subscribers do not get it after this time' },
    text: { kind: 'switch', help: 'BODY is text, also where it parses as JSON' },
  },
  examples: [
    [`busbar publish user.login '{"userId":123}'`, 'prints the id of the event'],
    ['git log -1 --format=%s | busbar publish repo.commit', 'the body from a pipe'],
  ],
  notes: ['Topics are tokens with dots between them. Nobody needs to listen.', BODY_NOTE],
  run: async ({ args: [topic = '', bodyArgument], flags, session }) => {
    const { out, signal } = session;
    const body = await readBody(bodyArgument, { text: flags.text, optional: true, signal, out });
    const { header, key, correlation, order, ttl, ephemeral } = flags;
    const none = { priority: undefined, delay: undefined, attempts: undefined };
    const fields = toFields({ ...none, header, key, correlation, order, ttl });
    const { id, position, status } = await publishDirectly(session, topic, body, { ...fields, ephemeral });
    if (out.json) await out.jsonLines([{ id, status, topic, position }]);
    else await out.lines([id]);
    if (status === 'duplicate') out.note('busbar: a duplicate: it was published before');
    return DONE;
  },
});
