/** `busbar doctor`: checks everything between the shell and its bus. */

import { isBusbarError } from '@busbar/api/transport';
import { isMissing } from '../../schemes.ts';
import { type Command, defineCommand } from '../command.ts';
import { checkCapabilities, checkMail, checkMissing, checkParts, checkRoundTrip } from '../doctor/bus-checks.ts';
import { checkLocation, checkNode, checkVariables } from '../doctor/environment-checks.ts';
import { checkStoreFiles } from '../doctor/file-checks.ts';
import { type Finding, failWith, ok } from '../doctor/finding.ts';
import { checkNearby } from '../doctor/nearby-checks.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE, UNEXPECTED, USAGE } from '../output/exit-codes.ts';
import type { Output } from '../output/output.ts';
import { printableLine } from '../output/printable.ts';
import type { Session } from '../session.ts';

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export const doctor: Command = defineCommand({
  args: [],
  flags: { fix: { kind: 'switch', help: 'mend what is safe to mend: modes of files and folders, .gitignore' } },
  examples: [
    ['busbar doctor', 'prints ok, warn or fail for each check'],
    ['busbar doctor --fix', 'also mends what is safe'],
    ['busbar doctor --url team --json', 'one JSON object'],
  ],
  notes: [
    'Names other stores nearby that hold messages, as busbar where does.',
    'Opens the bus and sends one message through a temporary queue. Masks secrets. Exit 1 if a check fails, 2 if the name of the bus is bad.',
  ],
  run: async ({ flags, session }) => {
    const { out } = session;
    const findings: Finding[] = [];
    let code = DONE;
    for await (const found of examine(session, (error) => (code = isUsage(error) ? USAGE : UNEXPECTED))) {
      const finding = flags.fix ? mended(found) : found;
      findings.push(finding);
      if (finding.status === 'fail' && code === DONE) code = UNEXPECTED;
      if (!out.json) await out.lines(toLines(finding, out));
    }
    if (out.json) await out.jsonLines([{ ok: code === DONE, checks: findings }]);
    return code;
  },
});

/** The finding after it was mended, if that is possible. */
function mended(finding: Finding): Finding {
  const { check, detail, hint = '', mend } = finding;
  if (mend === undefined) return finding;
  try {
    mend();
    return ok(check, `${detail}; mended: ${hint}`);
  } catch (error) {
    return failWith(check, error);
  }
}

/** Runs the checks in order; the first error ends them. */
async function* examine(session: Session, onError: (error: unknown) => void): AsyncGenerator<Finding> {
  yield checkNode();
  yield* checkVariables(session);
  let check = 'bus';
  try {
    const located = session.locate();
    yield checkLocation(located);
    check = 'nearby';
    yield* await checkNearby(located.url, session);
    yield* checkStoreFiles(located.url);
    check = 'open';
    if (await isMissing(located.url)) {
      yield* await checkMissing(located.url, session);
      return;
    }
    const began = performance.now();
    const transport = await session.transport();
    const opened = formatDuration(performance.now() - began);
    yield ok(check, `in ${opened}`);
    check = 'probe';
    yield* await checkParts(located.url, session);
    yield* checkCapabilities(transport);
    yield* await checkRoundTrip(transport, session);
    yield* await checkMail(transport, session);
  } catch (error) {
    onError(error);
    yield failWith(check, error);
  }
}

function isUsage(error: unknown): boolean {
  return isBusbarError(error) && error.code === 'INVALID_ARGUMENT';
}

function toLines({ check, status, detail, hint }: Finding, out: Output): string[] {
  const line = `${out.paint(STYLES[status], status.padEnd(4))}  ${check.padEnd(10)}  ${printableLine(detail)}`;
  return hint === undefined ? [line] : [line, `${' '.repeat(18)}${out.paint('dim', `hint: ${printableLine(hint)}`)}`];
}
