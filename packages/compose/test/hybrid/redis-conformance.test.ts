import { testTransport } from '@busbar/conformance/vitest';
import { redisHybrid } from './harness.ts';

const profile = process.env['BUSBAR_FULL'] === '1' ? 'full' : 'smoke';

testTransport(redisHybrid('by default', {}), { profile });
if (profile === 'full') testTransport(redisHybrid('urgent fast', { urgent: 7 }), { profile });
