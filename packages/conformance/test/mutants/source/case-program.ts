// A child process: runs cases of the suite on one backend, one after the other, and sends each result to its parent.
import { type Harness, runCase, SUITE } from '@busbar/conformance';

const [module = '', ...ids] = process.argv.slice(2);

// Servers and temporary folders end with this process, which ends with its parent.
process.once('disconnect', () => process.exit(1));

const { harness } = (await import(module)) as { readonly harness: Harness };
for (const id of ids) {
  const subject = SUITE.find((one) => one.id === id);
  if (subject === undefined) throw new Error(`there is no case ${id}`);
  const { status, reason } = harness.notTested
    ? { status: 'not-tested', reason: harness.notTested }
    : await runCase(harness, subject);
  await new Promise((resolve) => process.send?.({ id, status, reason }, resolve));
}
process.exit();
