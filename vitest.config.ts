// The one test configuration: every package is tested from source.
import { configDefaults, defineConfig } from 'vitest/config';
import { SuitesBesideOthers } from './test/sequencer.ts';
import { SummaryReporter } from './test/summary-reporter.ts';

/** `npm run test:full`: longer schedules, and the files named `.full.test.ts`. */
const isFull = process.env['BUSBAR_FULL'] === '1';
const conditions = ['@busbar/source', 'module', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['**/test/**/*.test.ts'], // also below --dir, the folder of one package
    exclude: [...configDefaults.exclude, ...(isFull ? [] : ['**/*.full.test.ts'])],
    setupFiles: ['test/silence.ts'],
    reporters: ['default', new SummaryReporter()],
    pool: 'forks', // native modules and child processes: one process a file
    maxWorkers: 2, // most tests wait for servers and processes, so two cores take two files
    sequence: { sequencer: SuitesBesideOthers },
    retry: 0, // a flake is a bug
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
