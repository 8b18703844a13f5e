import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { memoryHybrid } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const profile = isFull ? 'full' : 'smoke';

testTransport(memoryHybrid('by default', {}), { profile });

const TWO_LOGS =
  'It compares the position of a subscription with those of events: with history on both sides it names two places.';

/** Cases that do not fit where all queues and topics are on the fast side, each with the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  X12: 'Its queue is on the side that loses nothing.',
  Y4: TWO_LOGS,
  Y8: TWO_LOGS,
};

if (isFull) {
  testTransport(memoryHybrid('urgent fast', { urgent: 7 }), { profile });
  const cases = SUITE.filter(({ id }) => !(id in LEFT_OUT));
  testTransport(memoryHybrid('all fast', { fastQueues: ['>'], fastTopics: ['>'] }), { cases });
}
