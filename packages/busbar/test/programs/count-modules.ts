/** Preloaded: prints the modules of this repository that were loaded, on stderr at exit. */
import { registerHooks } from 'node:module';

const loaded: string[] = [];
registerHooks({
  load: (url, context, next) => {
    if (url.includes('/packages/')) loaded.push(url.replace(/^.*\/packages\//, ''));
    return next(url, context);
  },
});
process.on('exit', () => process.stderr.write(`${JSON.stringify(loaded)}\n`));
