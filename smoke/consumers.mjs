// Programs of users, checked by the compilers that they have. Their compilers check the declarations of all packages too.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { paths } from '../scripts/paths.mjs';
import { run } from './programs.mjs';

const compilers = [fileURLToPath(import.meta.resolve('typescript/bin/tsc')), join(paths.modules, 'typescript/bin/tsc')];

const consumer = `
import { type Bus, BusbarError, connect, isBusbarError, type TaskHandle } from 'busbar';

interface Order { readonly id: string; readonly amount: number }

export async function pay(): Promise<boolean> {
  await using bus: Bus = await connect('memory:', { hub: { command: 'busbar' } });
  await bus.process('orders', async ({ body }) => ({ paid: (body as Order).amount > 0 }));
  const task: TaskHandle<{ readonly paid: boolean }> = await bus.enqueue('orders', { id: 'a', amount: 1 });
  try {
    return (await task.result()).paid;
  } catch (error) {
    if (isBusbarError(error) && error.code === 'TIMEOUT') return false;
    throw error instanceof BusbarError ? error : new BusbarError('INTERNAL', 'failed', { cause: error });
  }
}
`;

/** A program without the types of Node and of new libraries, as bundlers build it. */
const web = "import { connect } from 'busbar';\nvoid connect;\n";

const strict = { strict: true, noEmit: true, skipLibCheck: false, exactOptionalPropertyTypes: true };
const node = { ...strict, module: 'nodenext', target: 'es2024', lib: ['es2024', 'esnext.disposable'], types: ['node'] };
const bundler = { ...strict, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', lib: ['es2022', 'dom'] };

/**
 * Checks programs in a folder with `busbar` alone, and imports of all entries in a folder with all packages.
 * @param {{ slim: string, all: string, entries: string[] }} installed
 */
export function checkTypes({ slim, all, entries }) {
  check(
    slim,
    { ...node, typeRoots: [join(all, 'node_modules/@types')] },
    { 'consumer.ts': consumer, 'required.cts': web },
  );
  check(slim, { ...bundler, types: [] }, { 'web.ts': web });
  const imports = entries.map((entry, index) => `import * as entry${index} from '${entry}';\nvoid entry${index};`);
  check(all, node, { 'entries.ts': imports.join('\n'), 'required.cts': imports.join('\n') });
}

/** @param {string} folder @param {object} compilerOptions @param {Record<string, string>} files */
function check(folder, compilerOptions, files) {
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  for (const compiler of compilers) run(process.execPath, [compiler, '-p', '.'], { cwd: folder });
}
