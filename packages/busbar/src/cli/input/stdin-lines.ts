/** Lines of stdin, in the batches they come in. */

import { BusbarError } from '@busbar/api/transport';
import { stdinChunks } from './body.ts';

const MAX_LINE = 64 * 1024 * 1024;
const MAX_LINES = 500;

/** Lines as they come, up to 500 at a time; the last one need not end in a newline. */
export async function* readLines(signal: AbortSignal): AsyncGenerator<readonly string[]> {
  // What is no UTF-8 becomes replacement characters, so that one bad line does not end the others.
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
    hint: 'Are there newlines in it?',
  });
}
