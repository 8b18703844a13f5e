/** The expert: says what it thinks of an audit when it is asked. */

import type { Audit } from '../../audit/audit.ts';
import { gradeAudit } from '../../audit/grade.ts';
import { REVIEW } from '../../bus/names.ts';
import { playRole } from './play-role.ts';

await playRole(async ({ brief, bus }) => {
  const expert = await bus.agent(brief.name, { capabilities: ['review'] });
  expert.handle(REVIEW, (request: { readonly body: Audit }) => gradeAudit(request.body));
});
