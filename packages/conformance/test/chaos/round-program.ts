// The program of one round, in a process of its own. Its last line of output is the verdict.
import { type RoundSetting, runRound } from './round.ts';

const setting = JSON.parse(process.argv[2] ?? '') as RoundSetting;
const verdict = await runRound(setting, (text) => process.stderr.write(`    ${text}\n`));
process.stdout.write(`${JSON.stringify(verdict)}\n`, () => process.exit());
