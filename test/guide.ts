/** The programs and the commands in the pages of the guide. */

import { read, repositoryFiles } from './repo/sources.ts';

/** A block of code of a page. */
export interface Snippet {
  /** The name of the page, such as `tasks`, and the number of the block. */
  readonly name: string;
  readonly language: string;
  readonly code: string;
}

/** The pages, without their list. */
export const pages: readonly string[] = repositoryFiles().filter(
  (file) => /^docs\/guide\/[^/]+\.md$/.test(file) && !file.endsWith('/README.md'),
);

/** All blocks of code of one page. */
export function snippetsOf(page: string): Snippet[] {
  const title = page.replace(/^.*\/(.*)\.md$/, '$1');
  return [...read(page).matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language = '', code = ''], index) => ({
    name: `${title}-${index + 1}`,
    language,
    code,
  }));
}

/** The lines that a program promises to print. */
export function promisedBy(program: string): string[] {
  return [...program.matchAll(/console\.log\(.*\);? \/\/ (.*)$/gm)].map(([, text = '']) => text);
}
