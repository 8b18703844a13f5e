/** The expert grades an audit on request. */

import type { Audit } from '../../audit/audit.ts';
import { REVIEW } from '../../bus/names.ts';
import { runRole } from '../run-role.ts';

/** Files up to this many lines get an A. */
const SHORT = 200;

await runRole(async ({ config, bus }) => {
  const expert = await bus.agent(config.name, { capabilities: ['review'] });
  expert.handle(REVIEW, ({ body }: { readonly body: Audit }) => (body.lines <= SHORT ? 'A' : 'B'));
});
