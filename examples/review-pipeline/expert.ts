/** Inspects a file and streams its remarks, as a model streams its answer. */

import { EXPERT, type Remark, type SourceFile } from './messages.ts';
import type { Setting } from './setting.ts';

const RULES: readonly [RegExp, string][] = [
  [/\bTODO\b/, 'unfinished'],
  [/: any\b/, 'a type is missing'],
  [/console\.log/, 'output for debugging'],
];

export async function expert({ bus }: Setting): Promise<void> {
  const agent = await bus.agent(EXPERT, { capabilities: ['inspect'] });
  agent.handle<SourceFile>('inspect', async function* ({ body }): AsyncGenerator<Remark> {
    for (const [index, text] of body.text.split('\n').entries()) {
      for (const [rule, remark] of RULES) if (rule.test(text)) yield { line: index + 1, text: remark };
    }
  });
}
