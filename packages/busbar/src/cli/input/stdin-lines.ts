/** Reads lines of stdin in batches. */

import { BusbarError } from '@busbar/api/transport';
import { stdinChunks } from './body.ts';

const MAX_LINE = 64 * 1024 * 1024;
const MAX_LINES = 500;

/** The lines of stdin, up to 500 at a time. The last one may lack its line break. */
export async function* readLines(signal: AbortSignal): AsyncGenerator<readonly string[]> {
  // Invalid UTF-8 becomes replacement characters, so one bad line does not stop the others.
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  for await (const chunk of stdinChunks(signal)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw tooLong();
    for (let start = 0; start < lines.length; start += MAX_LINES) yield lines.slice(start, start + MAX_LINES);
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest];
}

function tooLong(): BusbarError {
  return new BusbarError('PAYLOAD_TOO_LARGE', 'a line of stdin is longer than 64 MiB', {
    hint: 'Check that the input has line breaks.',
  });
}
