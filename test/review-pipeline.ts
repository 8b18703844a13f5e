/** Runs the review pipeline as processes on one bus, kills some of them, and checks that each file is reviewed once. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Child, spawnChild, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { expect } from 'vitest';
import { root } from './repo/sources.ts';

/** What to run it on. */
export interface PipelineRun {
  /** `$` stands for a new folder. */
  readonly url: string;
  /** Whether the process of the coordinator, the expert and the audit is killed, too. */
  readonly killsCoordinator?: boolean;
}

interface Span {
  readonly trace: string;
  readonly span: string;
  readonly parent?: string;
  readonly name: string;
}

interface AuditLine {
  readonly topic: string;
  readonly body: { readonly file: string; readonly reviews: readonly { readonly file: string }[] };
}

const FILES = Array.from({ length: 12 }, (_, index) => `file-${String(index).padStart(2, '0')}.ts`);
const MAIN = `${root}/examples/review-pipeline/main.ts`;
const LONG = { timeoutMs: 60_000 };

/** Runs it. No wait is for a time: a reviewer that never ends a task is killed, and another one has ended all the others. */
export async function runPipeline({ url, killsCoordinator = false }: PipelineRun): Promise<void> {
  await using folder = tempDir('pipeline');
  await using stack = new AsyncDisposableStack();
  const MESSAGE_BUS = url.replace('$', folder.path);
  const base = { MESSAGE_BUS, PIPELINE_FOLDER: folder.path, PIPELINE_DIGEST: '* * * * * *' };
  const files = writeFiles(folder);
  const start = (roles: readonly string[], env = {}, files: readonly string[] = []): Child =>
    stack.use(
      spawnChild({
        file: MAIN,
        args: [...roles.flatMap((role) => ['--role', role]), ...files],
        cwd: folder.path,
        env: { ...base, ...env },
      }),
    );
  const audited = (topic: string): AuditLine[] =>
    linesOf<AuditLine>(folder.join('audit.jsonl')).filter((line) => line.topic === topic);

  const main = start(['coordinator', 'audit', 'expert']);
  const stuck = start(['reviewer'], { PIPELINE_READ_MS: '1000000' });
  for (const child of [main, stuck]) await printed(child, 'ready');
  const author = start(['author'], {}, files);
  for (const attempt of [1, 2, 3, 4]) await printed(stuck, 'reviewing', attempt);
  const reviewer = start(['reviewer']);
  await waitFor(() => audited('review.done').length >= FILES.length - 4, { what: 'the other reviews', ...LONG });
  await stuck.kill();
  if (killsCoordinator) {
    await main.restart();
    await printed(main, 'ready');
  }
  expect(await author.exited, author.stderr).toEqual({ code: 0, signal: null });
  await waitFor(() => audited('review.change-done').length > 0, { what: 'the audit of the report', ...LONG });
  await waitFor(() => audited('review.digest').length > 0, { what: 'the digest', ...LONG });
  for (const child of [main, reviewer]) {
    process.kill(child.pid, 'SIGTERM');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
  }
  const report = reportOf(author);
  assertReport(report);
  expect(audited('review.change-done').map(({ body }) => body)).toEqual([report]);
  expect(
    audited('review.done')
      .map(({ body }) => body.file)
      .sort(),
  ).toEqual(FILES);
  expect(reviewer.stdout.match(/attempt [2-9]/g)?.length).toBeGreaterThanOrEqual(4);
  assertTrace(linesOf<Span>(folder.join('spans.jsonl')));
}

/** Runs all roles in one process. */
export async function runInOneProcess(url: string): Promise<void> {
  await using folder = tempDir('pipeline');
  const env = { MESSAGE_BUS: url, PIPELINE_FOLDER: folder.path };
  await using child = spawnChild({ file: MAIN, args: writeFiles(folder), cwd: folder.path, env });
  const audited = (): AuditLine[] => linesOf<AuditLine>(folder.join('audit.jsonl'));
  await printed(child, 'ready');
  await waitFor(() => audited().length === FILES.length + 1, { what: 'the audit of all events', ...LONG });
  process.kill(child.pid, 'SIGTERM');
  expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
  assertReport(reportOf(child));
  expect([...new Set(audited().map(({ body }) => body.file))].sort()).toEqual([...FILES, undefined]);
  assertTrace(linesOf<Span>(folder.join('spans.jsonl')));
}

/** Every third file has two lines that the expert remarks. */
function writeFiles(folder: TempDir): string[] {
  return FILES.map((name, index) => {
    const text = index % 3 === 0 ? `let x: any;\n\nx = ${index}; // TODO\n` : `export const x = ${index};\n`;
    writeFileSync(folder.join(name), text);
    return folder.join(name);
  });
}

function reportOf({ stdout }: Child): unknown {
  return JSON.parse(/^report: (.*)$/m.exec(stdout)?.[1] ?? '{}');
}

/** Each file is there once, with its remarks. */
function assertReport(report: unknown): void {
  const two = [
    { line: 1, text: 'a type is missing' },
    { line: 3, text: 'unfinished' },
  ];
  const reviews = FILES.map((file, index) => ({ file, remarks: index % 3 === 0 ? two : [] }));
  expect(report).toEqual({ change: expect.any(String), reviews, failed: 0 });
}

/** One trace leads from the author through all roles to the audit. */
function assertTrace(spans: readonly Span[]): void {
  const trace = spans.find(({ name }) => name === 'send change')?.trace;
  const names = spans.filter((span) => span.trace === trace).map(({ name }) => name);
  expect(names.filter((name) => name === 'enqueue reviews').length).toBeGreaterThanOrEqual(FILES.length);
  expect(names).toEqual(
    expect.arrayContaining([
      ...['send change', 'process change', 'ack change', 'enqueue reviews', 'process reviews', 'ack reviews'],
      ...['enqueue reports', 'process reports', 'ack reports'],
      ...['request inspect', 'process inspect', 'publish', 'process audit', 'ack audit'],
      ...['send report', 'process report', 'ack report'],
    ]),
  );
}

/** Resolves when the program has printed `text`, `count` times. */
async function printed(child: Child, text: string, count = 1): Promise<void> {
  const what = `${text} (${count}); its errors: ${child.stderr}`;
  await waitFor(() => child.stdout.split(text).length > count, { what, ...LONG });
}

function linesOf<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as T);
}
