/** `busbar publish`: publishes an event. */

import { MAX_DURATION_MS } from '@busbar/api/transport';
import { type Command, defineCommand } from '../command.ts';
import { BODY_NOTE, readBody } from '../input/body.ts';
import { toMailOptions } from '../input/mail-flags.ts';
import { publishWithoutBus } from '../mail/without-bus.ts';
import { DONE } from '../output/exit-codes.ts';

export const publish: Command = defineCommand({
  args: ['TOPIC', 'BODY?'],
  flags: {
    ephemeral: { kind: 'switch', help: 'do not store it: only live subscribers get it' },
    header: { kind: 'pairs', short: 'H', value: 'NAME=VALUE', help: 'a header; may be repeated' },
    key: { kind: 'text', value: 'KEY', max: 512, help: 'the id of the event, stored once within the dedupe window' },
    correlation: { kind: 'text', value: 'ID', max: 512, help: 'an id that related messages share' },
    order: { kind: 'text', value: 'KEY', max: 255, help: 'durable subscribers handle events of one key in order' },
    ttl: { kind: 'duration', min: 1, max: MAX_DURATION_MS, help: 'expires for durable subscribers after this time' },
    text: { kind: 'switch', help: 'BODY is text, even if it parses as JSON' },
  },
  examples: [
    [`busbar publish user.login '{"userId":123}'`, 'prints the id of the event'],
    ['git log -1 --format=%s | busbar publish repo.commit', 'reads the body from a pipe'],
  ],
  notes: ['A topic consists of tokens with dots between them. It needs no subscriber.', BODY_NOTE],
  run: async ({ args: [topic = '', bodyArgument], flags, session }) => {
    const { out, signal } = session;
    const body = await readBody(bodyArgument, { text: flags.text, optional: true, signal, out });
    session.createsBus();
    const fields = { ...toMailOptions(flags), id: flags.key, ephemeral: flags.ephemeral };
    const { id, position, status } = await publishWithoutBus(session, topic, body, fields);
    if (out.json) await out.jsonLines([{ id, status, topic, position }]);
    else await out.lines([id]);
    if (status === 'duplicate') out.note('busbar: duplicate: this event was published before');
    return DONE;
  },
});
