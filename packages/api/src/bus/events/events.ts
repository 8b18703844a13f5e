/** Publishes events. */

import { invalid } from '../../contract/errors.ts';
import { checkPattern, checkUserName } from '../../contract/names.ts';
import { describe } from '../../contract/validation.ts';
import type { Origin } from '../messages/causation.ts';
import type { TopicDefinition } from '../messages/definitions.ts';
import { checkMessageOptions, EVENT_KEYS, type EventOptions, toBounds } from '../messages/message-options.ts';
import { type StandardSchema, validateSent } from '../messages/schema.ts';
import type { Published } from '../operations.ts';
import { type BusRuntime, toStored } from '../runtime.ts';

/** A topic or pattern, with the schema of its definition. */
export interface TopicPlan {
  readonly topic: string;
  readonly schema: StandardSchema | undefined;
}

/** Publishes one event. */
export async function publishEvent(
  runtime: BusRuntime,
  origin: Origin,
  topic: string | TopicDefinition,
  body?: unknown,
  options: EventOptions = {},
): Promise<Published> {
  runtime.assertSending();
  const { topic: target, schema } = toTopicPlan(topic);
  checkUserName(target, 'topic');
  checkMessageOptions(options, EVENT_KEYS, 'publish options');
  const checked = validateSent(runtime.bodyCodec, schema, body, `the event of ${target}`);
  if (checked !== undefined) await checked;
  const ephemeral = options.ephemeral ?? false;
  return runtime.sendOut(origin, { kind: 'publish', target, body, options }, async (input) => {
    const bounds = { ephemeral, ...toBounds(options) };
    const [result] = await runtime.transport.topics.publish(target, [input], bounds);
    return { ...toStored(result), position: result?.position };
  });
}

/** The topic or pattern of a definition or a string. Throws INVALID_ARGUMENT. */
export function toTopicPlan(topic: string | TopicDefinition): TopicPlan {
  if (typeof topic === 'object' && topic !== null && topic.kind === 'topic') return topic;
  if (typeof topic === 'string') return { topic, schema: undefined };
  throw invalid(`a topic must be a string or a definition, not ${describe(topic)}`, 'Use defineTopic, or a string.');
}

/** The same for a user's pattern, which must not start with `$`. */
export function toPatternPlan(pattern: string | TopicDefinition): TopicPlan {
  const plan = toTopicPlan(pattern);
  checkPattern(plan.topic);
  if (!plan.topic.startsWith('$')) return plan;
  throw invalid(`the pattern ${JSON.stringify(plan.topic)} starts with $`, 'The prefix $ is reserved.');
}
