/** Ephemeral events as they are published: lengths, then topic, key, head and body. */

import type { TopicEvent } from '@busbar/api/transport';
import { type Content, toMessage } from '../queues/stored-message.ts';

const MARK = 'E'.charCodeAt(0);

export function writePassing(topic: string, { key, head, body }: Content): Buffer {
  const [keyBytes, headBytes] = [Buffer.from(key), Buffer.from(head)];
  const lengths = Buffer.from(`E${topic.length} ${keyBytes.length} ${headBytes.length}\n${topic}`);
  return Buffer.concat([lengths, keyBytes, headBytes, body]);
}

/** The event; undefined for what is none. */
export function readPassing(payload: Buffer): TopicEvent | undefined {
  const end = payload.indexOf('\n');
  if (payload[0] !== MARK || end < 0) return undefined;
  const [topicLength = 0, keyLength = 0, headLength = 0] = payload.toString('latin1', 1, end).split(' ').map(Number);
  const topicEnd = end + 1 + topicLength;
  const keyEnd = topicEnd + keyLength;
  const headEnd = keyEnd + headLength;
  const topic = payload.toString('latin1', end + 1, topicEnd);
  const message = toMessage(
    payload.toString('utf8', topicEnd, keyEnd),
    payload.toString('utf8', keyEnd, headEnd),
    payload.subarray(headEnd),
  );
  return { ...message, topic, position: undefined };
}
