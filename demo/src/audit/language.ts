/** How comments, strings and functions are written, as far as an audit needs it. */

/** A family of languages. */
export interface Language {
  readonly line: readonly string[];
  readonly block: readonly (readonly [string, string])[];
  /** What opens and closes a string. Longer ones first. */
  readonly quotes: readonly string[];
  /** How bodies of functions are bounded. */
  readonly bodies: 'braces' | 'indent' | 'none';
}

const C: Language = { line: ['//'], block: [['/*', '*/']], quotes: ['"', "'", '`'], bodies: 'braces' };
const RUST: Language = { ...C, quotes: ['"'] };
const PHP: Language = { ...C, line: ['//', '#'] };
const PYTHON: Language = { line: ['#'], block: [], quotes: ['"""', "'''", '"', "'"], bodies: 'indent' };
const SHELL: Language = { line: ['#'], block: [], quotes: ['"', "'"], bodies: 'none' };
const DASHES: Language = { line: ['--'], block: [['/*', '*/']], quotes: ["'"], bodies: 'none' };

const BY_EXTENSION: Readonly<Record<string, Language>> = {
  '.rs': RUST,
  '.php': PHP,
  '.py': PYTHON,
  '.rb': SHELL,
  '.sh': SHELL,
  '.bash': SHELL,
  '.pl': SHELL,
  '.ex': SHELL,
  '.exs': SHELL,
  '.sql': DASHES,
  '.lua': DASHES,
  '.hs': DASHES,
};

/** The language of files with this extension; the family of C when it is not known. */
export function languageOf(extension: string): Language {
  return BY_EXTENSION[extension] ?? C;
}
