// The program of one round, in a process of its own. Its last line of output is the verdict.
import { type RoundSetting, runRound } from './round.ts';

// An exit ends the clients and the server, also those that are stopped; a kill would leave them.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => process.exit(1));
process.stdin.on('end', () => process.exit(1)).resume();
const setting = JSON.parse(process.argv[2] ?? '') as RoundSetting;
const verdict = await runRound(setting, (text) => process.stderr.write(`    ${text}\n`));
process.stdout.write(`${JSON.stringify(verdict)}\n`, () => process.exit());
