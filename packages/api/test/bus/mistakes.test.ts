// The errors of TypeScript for the ten commonest mistakes: users read them more often than documents.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../../..');

const START = `
import { type Bus, defineQueue, type StandardSchema } from '@busbar/api';
declare const bus: Bus;
declare const text: StandardSchema<string>;
declare const count: StandardSchema<number>;
const lengths = defineQueue('lengths', { task: text, result: count });
`;

/** Each mistake, one line, with the last line of its error: the reason. */
const mistakes: readonly (readonly [code: string, reason: string])[] = [
  [
    `await bus.enqueue('mail', 1, { runAt: new Date(), delayMs: 5 });`,
    `Type 'number' is not assignable to type 'undefined'.`,
  ],
  [
    `await bus.enqueue('mail', 1, { replaceKey: 'a', dedupeKey: 'a' });`,
    `Type 'string' is not assignable to type 'undefined'.`,
  ],
  [
    `await bus.enqueue('mail', 1, { delay: 5 });`,
    `Object literal may only specify known properties, but 'delay' does not exist in type 'EnqueueOptions'. Did you mean to write 'delayMs'?`,
  ],
  [`await bus.enqueue(lengths, 7);`, `Argument of type 'number' is not assignable to parameter of type 'string'.`],
  [
    `await bus.process(lengths, ({ body }) => body.toUpperCase());`,
    `Type 'string' is not assignable to type 'AsyncGenerator<unknown, number, any> | Generator<unknown, number, any> | Promise<number> | number'.`,
  ],
  [`await bus.process('mail', ({ body }) => body.to);`, `'body' is of type 'unknown'.`],
  [`await bus.request('@a', 'ask', 1, { timeoutMs: '5s' });`, `Type 'string' is not assignable to type 'number'.`],
  [
    `await bus.send('@a', { file: 'a.ts' });`,
    `Argument of type '{ file: string; }' is not assignable to parameter of type 'string'.`,
  ],
  [`bus.agent('@a').handle('ask', () => 1);`, `Property 'handle' does not exist on type 'Promise<Agent>'.`],
  [
    `defineQueue('mail', { tasks: text });`,
    `Object literal may only specify known properties, but 'tasks' does not exist in type 'QueueParts<undefined, undefined, undefined>'. Did you mean to write 'task'?`,
  ],
];

test.each([
  ['5.9', 'smoke/node_modules/typescript/bin/tsc'],
  ['7', 'node_modules/typescript/bin/tsc'],
])('TypeScript %s names the reason of each mistake', { timeout: 60_000 }, async (_, compiler) => {
  await using folder = tempDir('mistakes');
  const program = `${START}export const run = async (): Promise<void> => {\n${mistakes.map(([code]) => code).join('\n')}\n};\n`;
  writeFileSync(folder.join('mistakes.ts'), program);
  writeFileSync(folder.join('package.json'), '{ "type": "module" }');
  writeFileSync(folder.join('tsconfig.json'), JSON.stringify(config()));
  const args = [join(root, compiler), '-p', folder.path, '--pretty', 'false'];
  const output = await new Promise<string>(
    (done) => void execFile(process.execPath, args, (_, stdout) => done(stdout)),
  );
  const errors = output.split(/^(?=\S)/m).filter((error) => error.trim() !== '');
  const first = START.split('\n').length + 1;
  expect(errors.map((error) => [Number(/\((\d+),/.exec(error)?.[1]) - first, reasonOf(error)])).toEqual(
    mistakes.map(([, reason], line) => [line, reason]),
  );
});

/** The strict settings of the repository, over the source of the api. */
function config(): object {
  const api = join(root, 'packages/api/src/index.ts');
  const compilerOptions = {
    ...{ noEmit: true, composite: false, declaration: false, declarationMap: false, isolatedDeclarations: false },
    ...{ rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true },
    ...{ typeRoots: [join(root, 'node_modules/@types')], paths: { '@busbar/api': [api] } },
  };
  return { extends: join(root, 'tsconfig.base.json'), compilerOptions, files: ['mistakes.ts'] };
}

function reasonOf(error: string): string | undefined {
  const last = error.trimEnd().split('\n').at(-1)?.trim();
  return last?.replace(/^.*error TS\d+: /, '').replace(/'[^']* \| [^']*'/g, inOrder);
}

/** Versions of TypeScript name the members of a union in different orders. */
function inOrder(union: string): string {
  return `'${union.slice(1, -1).split(' | ').sort().join(' | ')}'`;
}
