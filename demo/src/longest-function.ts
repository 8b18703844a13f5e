/** Finds the longest function of a file by its braces or its indentation. An estimate: no language is parsed. */

import type { Language } from './language.ts';

/** A function, as far as it was recognised. */
export interface LongFunction {
  readonly name: string;
  /** Where it begins; the first line is 1. */
  readonly line: number;
  readonly lines: number;
}

const NOT_A_FUNCTION = /^(?:if|for|while|switch|catch|else|do|try|with|using|lock|synchronized|match|select)$/;
const BEFORE_BRACE =
  /(?:([A-Za-z_$][\w$]*)\s*(?:<[^<>]*>)?\s*\([^()]*\)|=>|\))\s*(?:(?::|->)[^={};]*)?(?:const|noexcept|throws [\w., ]+|where .*)?\s*$/;
const ARROW_NAME = /([A-Za-z_$][\w$]*)\s*(?::[^=]*)?=\s*(?:async\s*)?(?:\([^)]*\)|[\w$]+)[^=]*=>\s*$/;
const PYTHON_DEF = /^(\s*)(?:async\s+)?def\s+(\w+)/;
/** Longer lines are machine-made: looking back through them would cost the square of their length. */
const MAX_LOOKBACK = 400;

/** The longest function in `code`, which is free of comments and strings; undefined when there is none. */
export function measureFunctions(code: readonly string[], language: Language): LongFunction | undefined {
  if (language.bodies === 'braces') return longest(byBraces(code));
  return language.bodies === 'indent' ? longest(byIndent(code)) : undefined;
}

function longest(functions: Iterable<LongFunction>): LongFunction | undefined {
  let best: LongFunction | undefined;
  for (const candidate of functions) if (best === undefined || candidate.lines > best.lines) best = candidate;
  return best;
}

function* byBraces(code: readonly string[]): Iterable<LongFunction> {
  const open: ({ name: string; line: number } | undefined)[] = [];
  for (const [index, text] of code.entries()) {
    for (let column = 0; column < text.length; column += 1) {
      const char = text.charAt(column);
      if (char === '{') {
        const name = functionName(text.slice(Math.max(0, column - MAX_LOOKBACK), column));
        open.push(name === undefined ? undefined : { name, line: index + 1 });
      } else if (char === '}') {
        const begun = open.pop();
        if (begun !== undefined) yield { ...begun, lines: index + 2 - begun.line };
      }
    }
  }
}

/** The name of the function whose body opens behind `before`; undefined when none does. */
function functionName(before: string): string | undefined {
  const match = BEFORE_BRACE.exec(before);
  if (match === null) return undefined;
  const name = match[1];
  if (name !== undefined) return NOT_A_FUNCTION.test(name) ? undefined : name;
  if (/\b(?:if|for|while|switch|catch)\s*\(/.test(before)) return undefined;
  return ARROW_NAME.exec(before)?.[1] ?? '(anonymous)';
}

function* byIndent(code: readonly string[]): Iterable<LongFunction> {
  const open: { name: string; line: number; indent: number }[] = [];
  let last = 0;
  for (const [index, text] of [...code, 'end'].entries()) {
    if (text.trim() === '') continue;
    const indent = text.length - text.trimStart().length;
    for (let begun = open.at(-1); begun !== undefined && indent <= begun.indent; begun = open.at(-1)) {
      open.pop();
      yield { name: begun.name, line: begun.line, lines: last + 2 - begun.line };
    }
    const name = PYTHON_DEF.exec(text)?.[2];
    if (name !== undefined) open.push({ name, line: index + 1, indent });
    last = index;
  }
}
