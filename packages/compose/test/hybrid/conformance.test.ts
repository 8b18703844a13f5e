import { SUITE } from '@busbar/conformance';
import { testTransport } from '@busbar/conformance/vitest';
import { memoryHybrid } from './harness.ts';

const isFull = process.env['BUSBAR_FULL'] === '1';
const profile = isFull ? 'full' : 'smoke';

testTransport(memoryHybrid('by default', {}), { profile });

/** They compare the position of a subscription with those of events. With history on both sides it names two places. */
const NAMES_ONE_LOG: readonly string[] = ['Y4', 'Y8'];

if (isFull) {
  testTransport(memoryHybrid('urgent fast', { urgent: 7 }), { profile });
  const cases = SUITE.filter(({ id }) => !NAMES_ONE_LOG.includes(id));
  testTransport(memoryHybrid('all fast', { fastQueues: ['>'], fastTopics: ['>'] }), { cases });
}
