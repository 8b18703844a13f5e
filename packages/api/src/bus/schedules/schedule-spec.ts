/** What is stored of the options of a schedule. */

import { invalid } from '../../contract/errors.ts';
import { checkUserName } from '../../contract/names.ts';
import { checkMessage } from '../../open/prepare-message.ts';
import { toTopicPlan } from '../events/events.ts';
import type { BodyCodec } from '../messages/body-codec.ts';
import { jsonCodec } from '../messages/codec.ts';
import { checkMessageType } from '../messages/definitions.ts';
import { checkMessageOptions, EVENT_KEYS, MAIL_KEYS } from '../messages/message-options.ts';
import { type StandardSchema, validateSent } from '../messages/schema.ts';
import { checkAgentName } from '../registry/agent-names.ts';
import { toQueueDefinition } from '../tasks/enqueue-options.ts';
import type { StoredTiming } from './planned-times.ts';
import { MESSAGE_FIELDS, type ScheduleOptions } from './schedule-options.ts';
import type { ScheduledMessageOptions, ScheduleSpec, ScheduleTarget } from './schedule-record.ts';

const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Checks the target, the message and the body. Rejects with INVALID_ARGUMENT. */
export async function toScheduleSpec(codec: BodyCodec, options: ScheduleOptions): Promise<ScheduleSpec> {
  const { target, schema } = toTarget(options);
  const fields = MESSAGE_FIELDS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]));
  const message = Object.fromEntries(fields) as ScheduledMessageOptions;
  checkMessageOptions(message, 'topic' in target ? EVENT_KEYS : MAIL_KEYS, 'an event');
  checkMessage({ ...message, body: NO_BYTES }, 0);
  await validateSent(codec, schema, options.body, 'the body of the schedule');
  const body = await encodeBody(codec, options.body);
  const missed = options.missed ?? 'once';
  return { timing: toTiming(options), target, message, missed, ...(body === undefined ? {} : { body }) };
}

/** The body of each message, or a promise of an asynchronous codec. */
export function decodeScheduleBody(codec: BodyCodec, { body = '' }: ScheduleSpec): unknown {
  return codec.decode({ body: encoder.encode(body), contentType: jsonCodec.contentType });
}

/** JSON, so that a process without the codec of this bus can send it; undefined without a body. */
async function encodeBody(codec: BodyCodec, value: unknown): Promise<string | undefined> {
  const { body, contentType } = await codec.encode(value);
  const text = decoder.decode(contentType === jsonCodec.contentType ? body : jsonCodec.encode(value));
  return text === '' ? undefined : text;
}

function toTiming({ cron, timeZone, everyMs, startAt }: ScheduleOptions): StoredTiming {
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(startAt === undefined ? {} : { startAt: startAt.getTime() }),
  };
}

function toTarget(options: ScheduleOptions): { target: ScheduleTarget; schema: StandardSchema | undefined } {
  const { queue, topic, to, type } = options;
  if ([queue, topic, to].filter((one) => one !== undefined).length !== 1) {
    throw invalid('a schedule needs one of queue, topic and to', 'A task, an event, or a message to an agent.');
  }
  if (queue !== undefined) {
    const definition = toQueueDefinition(queue);
    return { target: { queue: definition.queue }, schema: definition.schemas.task };
  }
  if (topic !== undefined) {
    const plan = toTopicPlan(topic);
    checkUserName(plan.topic, 'topic');
    return { target: { topic: plan.topic }, schema: plan.schema };
  }
  checkAgentName(to);
  const [name, schema] = typeof type === 'object' ? [type.type, type.schema] : [type, undefined];
  checkMessageType(name);
  return { target: { to, type: name }, schema };
}
