/** The seed of property tests. */

/**
 * `npm test` tries the same values in every run, so that a change alone can make it fail. `npm run test:full` tries random
 * ones; a failure prints their seed.
 */
export const propertySeed: { readonly seed?: number } = process.env['BUSBAR_FULL'] === '1' ? {} : { seed: 1 };
