// Writes the pages of the API to docs/api with TypeDoc. A warning of TypeDoc is an error.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Converter, ReflectionKind } from 'typedoc';
import { paths } from '../scripts/paths.mjs';
import { publishedPackages } from './packages.mjs';

// What several entries export is documented in the first one.
const packages = publishedPackages().sort((a, b) => rank(a.name) - rank(b.name));
const entries = new Map(packages.flatMap(entriesOf));
const out = join(paths.root, 'docs/api');

const app = await Application.bootstrapWithPlugins({
  entryPoints: [...entries.keys()],
  tsconfig: join(import.meta.dirname, 'tsconfig.api-pages.json'),
  out,
  name: 'Busbar',
  readme: 'none',
  excludePrivate: true,
  // Types that no entry exports, such as those of options, get pages too.
  plugin: [fileURLToPath(import.meta.resolve('typedoc-plugin-missing-exports'))],
  placeInternalsInOwningModule: true,
  excludeExternals: true,
  // Every page is one folder below `out`; the paths start in the folder of the packages.
  disableGit: true,
  sourceLinkTemplate: '../../../packages/{path}#L{line}',
  // `tsc -b` checks the types, with a newer compiler.
  skipErrorChecking: true,
  logLevel: 'Warn',
});

// Modules get the names that programs import.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    const file = module.sources?.[0]?.fullFileName ?? '';
    module.name = entries.get(file) ?? module.name;
  }
});

const project = await app.convert();
if (project) {
  app.validate(project);
  app.options.setValue('validation', { notExported: true, invalidLink: false, rewrittenLink: false });
  for (const { name } of packages) {
    // TypeDoc looks for types without a page in the package of this name only.
    project.packageName = name;
    app.validate(project);
  }
  await app.generateOutputs(project);
}
if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) {
  process.stderr.write('docs:api: FAILED: TypeDoc has warnings or errors\n');
  process.exit(1);
}
process.stdout.write(`docs:api: ${entries.size} entries in ${out}/index.html\n`);

/** @param {string} name */
function rank(name) {
  return ['busbar', '@busbar/api'].includes(name) ? name.length : 100;
}

/** The sources of the entries, and the names that programs import. @param {import('./packages.mjs').Package} each @returns {[string, string][]} */
function entriesOf({ folder, name, exports }) {
  const { root } = paths;
  return Object.entries(exports).map(([entry, target]) => [
    join(root, folder, target['@busbar/source'] ?? ''),
    name + entry.slice(1),
  ]);
}
