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
const ARROW_NAME = /([A-Za-z_$][\w$]*)\s*(?::[^=;{}]*)?=\s*(?:async\s*)?(?:\([^()]*\)|[\w$]+)\s*(?::[^=(){};]*)?=>\s*$/;
const PYTHON_DEF = /^(\s*)(?:async\s+)?def\s+(\w+)/;
const DIRECTIVE = /^\s*#\s*(if|else|elif|endif)/;
/** A brace behind one of these opens an object or a block, never a function. */
const OPENS_NO_FUNCTION = new Set('=(,[{;?&|+:'.split(''));
/** Longer lines are machine-made: looking back through them would cost the square of their length. */
const MAX_LOOKBACK = 200;

/** Looks at the lines of one file in their order; free of comments and strings. */
export interface FunctionMeter {
  add(code: string): void;
  /** The longest function so far, those that are still open at the end included where indentation ends them. */
  longest(): LongFunction | undefined;
}

/** A meter for a language; one that finds nothing where functions cannot be told. */
export function openFunctionMeter({ bodies }: Language): FunctionMeter {
  if (bodies === 'braces') return new BraceMeter();
  return bodies === 'indent' ? new IndentMeter() : { add: () => undefined, longest: () => undefined };
}

/** Where the body of a function begins; undefined for any other brace. */
type Opening = { readonly name: string; readonly line: number } | undefined;

class BraceMeter implements FunctionMeter {
  #open: Opening[] = [];
  /** What was open at each `#if` around: its branches all begin with that, and often open the same brace again. */
  readonly #branches: Opening[][] = [];
  /** The end of the lines before: parameters may stand on several. */
  #before = '';
  #line = 0;
  #longest: LongFunction | undefined;

  add(code: string): void {
    this.#line += 1;
    const directive = DIRECTIVE.exec(code)?.[1];
    if (directive !== undefined) this.#branch(directive);
    for (const { 0: brace, index } of code.matchAll(/[{}]/g)) {
      if (brace === '}') this.#end();
      else if (index < MAX_LOOKBACK) this.#begin(this.#before.slice(index - MAX_LOOKBACK) + code.slice(0, index));
      else this.#begin(code.slice(index - MAX_LOOKBACK, index));
    }
    this.#before = `${this.#before}${code.slice(-MAX_LOOKBACK)}\n`.slice(-MAX_LOOKBACK);
  }

  longest(): LongFunction | undefined {
    return this.#longest;
  }

  #branch(directive: string): void {
    if (directive === 'if') this.#branches.push([...this.#open]);
    else if (directive === 'endif') this.#branches.pop();
    else this.#open = [...(this.#branches.at(-1) ?? this.#open)];
  }

  #begin(before: string): void {
    const name = functionName(before);
    this.#open.push(name === undefined ? undefined : { name, line: this.#line });
  }

  #end(): void {
    const begun = this.#open.pop();
    if (begun !== undefined) this.#longest = longer(this.#longest, { ...begun, lines: this.#line + 1 - begun.line });
  }
}

class IndentMeter implements FunctionMeter {
  readonly #open: { readonly name: string; readonly line: number; readonly indent: number }[] = [];
  #line = 0;
  /** The last line that was not blank. */
  #last = 0;
  #longest: LongFunction | undefined;

  add(code: string): void {
    this.#line += 1;
    const text = code.trimStart();
    if (text === '') return;
    const indent = code.length - text.length;
    this.#endFrom(indent);
    const name = PYTHON_DEF.exec(code)?.[2];
    if (name !== undefined) this.#open.push({ name, line: this.#line, indent });
    this.#last = this.#line;
  }

  longest(): LongFunction | undefined {
    this.#endFrom(0);
    return this.#longest;
  }

  #endFrom(indent: number): void {
    for (let begun = this.#open.at(-1); begun !== undefined && indent <= begun.indent; begun = this.#open.at(-1)) {
      this.#open.pop();
      const { name, line } = begun;
      this.#longest = longer(this.#longest, { name, line, lines: this.#last + 1 - line });
    }
  }
}

function longer(best: LongFunction | undefined, other: LongFunction): LongFunction {
  return best === undefined || other.lines > best.lines ? other : best;
}

/** The name of the function whose body opens behind `before`; undefined when none does. */
function functionName(before: string): string | undefined {
  if (OPENS_NO_FUNCTION.has(before.trimEnd().at(-1) ?? '')) return undefined;
  const match = BEFORE_BRACE.exec(before);
  if (match === null) return undefined;
  const name = match[1];
  if (name === 'function') return '(anonymous)';
  if (name !== undefined) return NOT_A_FUNCTION.test(name) ? undefined : name;
  if (/\b(?:if|for|while|switch|catch)\s*\(/.test(before)) return undefined;
  return ARROW_NAME.exec(before)?.[1] ?? '(anonymous)';
}
