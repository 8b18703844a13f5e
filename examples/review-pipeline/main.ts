/**
 * Runs roles of the pipeline in one process: `node main.ts [--role NAME]… [FILE…]`. Without roles it runs all. SIGTERM and SIGINT
 * end it in order; a process that only is the author ends with its report.
 */

import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { connect, shutdownOn } from 'busbar';
import { audit } from './audit.ts';
import { author } from './author.ts';
import { coordinator } from './coordinator.ts';
import { expert } from './expert.ts';
import { reviewer } from './reviewer.ts';
import type { Setting } from './setting.ts';
import { trace } from './telemetry.ts';

const ROLES = { audit, coordinator, expert, reviewer, author } satisfies Record<string, (at: Setting) => Promise<void>>;
type Role = keyof typeof ROLES;

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { role: { type: 'string', multiple: true, default: Object.keys(ROLES) } },
});
const roles = values.role as Role[];
const folder = process.env['PIPELINE_FOLDER'] ?? '.busbar';
mkdirSync(folder, { recursive: true });

const bus = await connect(undefined, {
  waitForServerMs: 10_000,
  onError: ({ place, error }) => console.error(`${place}: ${error.message}`),
});
const telemetry = trace(bus, `${folder}/spans.jsonl`);
shutdownOn(['SIGTERM', 'SIGINT'], bus, { drainMs: 5_000, beforeClose: () => telemetry.shutdown() });
for (const role of roles) await ROLES[role]({ bus, folder, files });
if (roles.every((role) => role === 'author')) {
  await bus.close();
  await telemetry.shutdown();
} else console.log(`ready: ${roles.join(', ')}`);
