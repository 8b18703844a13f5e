import { testTransport } from '@busbar/conformance/vitest';
import { memoryHybrid } from './harness.ts';

const profile = process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke';

testTransport(memoryHybrid('by default', {}), { profile });
testTransport(memoryHybrid('all fast', { fastQueues: ['>'], fastTopics: ['>'] }), { profile });
testTransport(memoryHybrid('urgent fast', { urgent: 7 }), { profile });
