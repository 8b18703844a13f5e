// Preloaded with `--import`: gives this process the changed text of the one file that its mutant changes.
import { registerHooks } from 'node:module';
import { mutate, type SourceMutant, urlOf, VARIABLE } from './source-mutant.ts';

const text = process.env[VARIABLE];
if (text !== undefined) {
  const mutant = JSON.parse(text) as SourceMutant;
  const changed = urlOf(mutant);
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      return url === changed ? { ...loaded, source: mutate(mutant) } : loaded;
    },
  });
}
