// Runs one task of the repository straight after a clone: plain JavaScript that Node 20 can read.
import { ensureInstalled } from './install.mjs';
import { paths } from './paths.mjs';
import { runSteps } from './process.mjs';
import { ensureServers, serversOf } from './servers.mjs';
import { tasks } from './tasks.mjs';

const [name = '', ...args] = process.argv.slice(2);
const task = tasks[name];

try {
  if (!task) throw new Error(`unknown task "${name}"; there are: ${Object.keys(tasks).join(', ')}`);
  // A task started by a task finds everything in place.
  if (process.env.REPOSITORY_INSTALLED !== paths.root) {
    await ensureInstalled();
    await ensureServers(serversOf(name, args, process.env));
  }
  await runSteps(task(args));
} catch (error) {
  process.stderr.write(`busbar: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
