/** Ephemeral events as channels carry them: a mark and lengths, then topic, key, envelope and body. */

import type { TopicEvent } from '@busbar/api/transport';
import { type StoredMessage, toMessage } from '../queues/stored-message.ts';

const MARK = 'E'.charCodeAt(0);

export function formatEphemeral(topic: string, { key, envelope, body }: StoredMessage): Buffer {
  const [keyBytes, envelopeBytes] = [Buffer.from(key), Buffer.from(envelope)];
  const lengths = Buffer.from(`E${topic.length} ${keyBytes.length} ${envelopeBytes.length}\n${topic}`);
  return Buffer.concat([lengths, keyBytes, envelopeBytes, body]);
}

/** The event; undefined for another kind of payload. */
export function parseEphemeral(payload: Buffer): TopicEvent | undefined {
  const end = payload.indexOf('\n');
  if (payload[0] !== MARK || end < 0) return undefined;
  const lengths = payload.toString('latin1', 1, end).split(' ').map(Number);
  const [topicLength = 0, keyLength = 0, envelopeLength = 0] = lengths;
  const topicEnd = end + 1 + topicLength;
  const keyEnd = topicEnd + keyLength;
  const envelopeEnd = keyEnd + envelopeLength;
  const topic = payload.toString('latin1', end + 1, topicEnd);
  const key = payload.toString('utf8', topicEnd, keyEnd);
  const envelope = payload.toString('utf8', keyEnd, envelopeEnd);
  return { ...toMessage(key, envelope, payload.subarray(envelopeEnd)), topic, position: undefined };
}
