// The bundle of a package for pages: one minified file that imports nothing, with a source map.
import { existsSync, readFileSync } from 'node:fs';
import { type OutputChunk, rolldown } from 'rolldown';

/**
 * Bundles `input`, a source of the package, with the sources of other packages: what they publish is for Node. The tests and the
 * package get the same bundle.
 */
export async function bundlePage(input: string): Promise<OutputChunk> {
  const bundle = await rolldown({
    input,
    platform: 'browser',
    // Modules of Node that no kept code uses fall out of the bundle.
    external: /^node:/,
    resolve: { conditionNames: ['@busbar/source', 'import', 'default'] },
    optimization: { inlineConst: { mode: 'all', pass: 3 } },
    treeshake: {
      // The last two do nothing in a page.
      manualPureFunctions: ['Object.freeze', 'silence', 'silenceAll'],
      propertyReadSideEffects: false,
      moduleSideEffects: [
        { test: /disposal\.[jt]s$/, sideEffects: true },
        { test: /./, sideEffects: false },
      ],
    },
    transform: { target: 'es2022', define: { 'globalThis.process': 'undefined' } },
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true, sourcemap: true, comments: false });
  await bundle.close();
  return output[0];
}

/** The map leads from the bundle to the TypeScript, which it contains. */
export function withMap(file: string): { code: string; map: string } | undefined {
  if (!existsSync(`${file}.map`)) return undefined;
  return { code: readFileSync(file, 'utf8'), map: readFileSync(`${file}.map`, 'utf8') };
}
